//! Where the pattern of GPT-4 (cl100k) cuts a text.
//!
//! The pattern is `'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+$|`
//! `\s*[\r\n]|\s+(?!\S)|\s`, as tiktoken 0.14 has it.

use crate::classes::Class;
use crate::scanner::Scanner;

/// End of the pre-token that begins at `start`, which must lie in the text.
#[inline]
pub(crate) fn pre_token_end(scanner: &Scanner<'_>, start: usize) -> usize {
    let text = scanner.text;
    let contraction = scanner.contraction_of_any_case(start);
    if contraction > 0 {
        return start + contraction;
    }
    let Some((class, length)) = scanner.class_at(start) else {
        return start;
    };
    if class.is_in(Class::LETTER) {
        return scanner.run_end(Class::LETTER, start + length);
    }
    if class == Class::NUMBER {
        return scanner.up_to_three_numbers(start);
    }
    let next = scanner.class_at(start + length);
    // Anything but a line break joins the letters after it.
    if let Some((after, after_length)) = next
        && after.is_in(Class::LETTER)
        && !matches!(text[start], b'\r' | b'\n')
    {
        return scanner.run_end(Class::LETTER, start + length + after_length);
    }
    let takes_space = text[start] == b' ' && next.is_some_and(|(c, _)| c.is_in(Class::NEITHER));
    if class.is_in(Class::NEITHER) || takes_space {
        let end = scanner.run_end(Class::NEITHER, start + length);
        return scanner.skip(b"\r\n", end);
    }
    let run = scanner.white_space(start);
    match run.after_line_break {
        Some(end) if run.end < text.len() => end,
        _ => run.without_last(start, text),
    }
}
