//! Where the pattern of GPT-4o (o200k) cuts a text.
//!
//! Let `U` be `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`, `W` be `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`, and `C` one of the contractions
//! `'s 't 're 've 'm 'll 'd` in any case. The pattern is `[^\r\n\p{L}\p{N}]?U*W+C?|[^\r\n\p{L}\p{N}]?U+W*C?|\p{N}{1,3}|`
//! ` ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`.

use crate::classes::Class;
use crate::scanner::Scanner;

/// End of the pre-token that begins at `start`, which must lie in the text.
#[inline]
pub(crate) fn pre_token_end(scanner: &Scanner<'_>, start: usize) -> usize {
    let text = scanner.text;
    let Some((class, length)) = scanner.class_at(start) else {
        return start;
    };
    if class == Class::NUMBER {
        return scanner.up_to_three_numbers(start);
    }
    if let Some(end) = word_end(scanner, start, class, length) {
        return end + scanner.contraction_of_any_case(end);
    }
    let next = scanner.class_at(start + length);
    let takes_space = text[start] == b' ' && next.is_some_and(|(c, _)| c.is_in(Class::NEITHER));
    if class.is_in(Class::NEITHER) || takes_space {
        let end = scanner.run_end(Class::NEITHER, start + length);
        return scanner.skip(b"\r\n/", end);
    }
    let run = scanner.white_space(start);
    run.after_line_break
        .unwrap_or_else(|| run.without_last(start, text))
}

/// End of what the first two alternatives match at `start`, contractions aside.
#[inline]
fn word_end(scanner: &Scanner<'_>, start: usize, class: Class, length: usize) -> Option<usize> {
    if class.is_in(Class::LETTER) {
        let word = Word::at(scanner, start);
        return word.with_lower_part.or(word.upper_part);
    }
    if matches!(scanner.text[start], b'\r' | b'\n') {
        return None;
    }
    // What stands before the word joins it; a mark is also a whole word by itself, and as such goes
    // before a word of capitals.
    let word = Word::at(scanner, start + length);
    let alone = (class == Class::MARK).then_some(start + length);
    word.with_lower_part.or(alone).or(word.upper_part)
}

/// What `U*W+` and `U+` match at a position.
struct Word {
    with_lower_part: Option<usize>,
    upper_part: Option<usize>,
}

impl Word {
    #[inline]
    fn at(scanner: &Scanner<'_>, start: usize) -> Self {
        let lower = Class::LOWER | Class::CASELESS | Class::MARK;
        let mut position = start;
        // `U*` takes all it can; `W+` then gets what follows, or else `U*` gives back down to the
        // last character that `W` takes too.
        let mut after_last_shared = None;
        while let Some((class, length)) = scanner.class_at(position) {
            if class.is_in(Class::CASELESS | Class::MARK) {
                after_last_shared = Some(position + length);
            } else if class != Class::UPPER {
                break;
            }
            position += length;
        }
        let end = scanner.run_end(lower, position);
        Self {
            with_lower_part: if end > position {
                Some(end)
            } else {
                after_last_shared
            },
            upper_part: (position > start).then_some(position),
        }
    }
}
