//! Where GPT-2's pattern cuts a text.
//!
//! The pattern is `'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.

use crate::classes::Class;
use crate::scanner::Scanner;

/// End of the pre-token that begins at `start`, which must lie in the text.
#[inline]
pub(crate) fn pre_token_end(scanner: &Scanner<'_>, start: usize) -> usize {
    let text = scanner.text;
    let first = text[start];
    if first == b'\'' {
        let length = contraction_length(&text[start..]);
        if length > 0 {
            return start + length;
        }
    }
    // One U+0020, and no other white space, joins what follows it.
    let body = start + usize::from(first == b' ' && start + 1 < text.len());
    let Some((class, length)) = scanner.class_at(body) else {
        return body;
    };
    let run = if class.is_in(Class::LETTER) {
        Class::LETTER
    } else if class.is_in(Class::NEITHER) {
        Class::NEITHER
    } else if class == Class::NUMBER {
        Class::NUMBER
    } else {
        return scanner.white_space(start).without_last(start, text);
    };
    scanner.run_end(run, body + length)
}

/// Length of the English contraction that begins with the apostrophe at the start of `text`, or 0.
fn contraction_length(text: &[u8]) -> usize {
    match text[1..] {
        [b's' | b'd' | b'm' | b't', ..] => 2,
        [b'l', b'l', ..] | [b'v' | b'r', b'e', ..] => 3,
        _ => 0,
    }
}
