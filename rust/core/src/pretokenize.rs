//! Where GPT-2's pattern cuts a text, found by one forward scan over its bytes.
//!
//! The pattern is `'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.

use crate::classes::{Class, ClassTable};

/// The pre-tokens of a text, in order; joined they are the text.
pub struct PreTokens<'text> {
    text: &'text [u8],
    position: usize,
    classes: &'static ClassTable,
}

impl<'text> PreTokens<'text> {
    /// Start at the beginning of `text`.
    #[must_use]
    pub fn new(text: &'text [u8]) -> Self {
        Self {
            text,
            position: 0,
            classes: ClassTable::get(),
        }
    }

    /// End of the pre-token at the current position, which must lie in the text.
    #[inline]
    fn pre_token_end(&self) -> usize {
        let start = self.position;
        let first = self.text[start];
        if first == b'\'' {
            let length = contraction_length(&self.text[start..]);
            if length > 0 {
                return start + length;
            }
        }
        // One U+0020, and no other white space, joins what follows it.
        let body = if first == b' ' && start + 1 < self.text.len() {
            start + 1
        } else {
            start
        };
        match self.classes.class_at(self.text, body) {
            (Class::Space, _) => self.white_space_end(start),
            (class, length) => self.run_end(class, body + length),
        }
    }

    /// First position from `position` on whose character is of another class.
    #[inline]
    fn run_end(&self, class: Class, mut position: usize) -> usize {
        while let Some(&byte) = self.text.get(position) {
            let (found, length) = match self.classes.ascii_class(byte) {
                Some(found) => (found, 1),
                None => self.classes.class_at(self.text, position),
            };
            if found != class {
                break;
            }
            position += length;
        }
        position
    }

    /// End of the pre-token that begins a run of white space at `start`: the run's last character
    /// stays out, unless it is the only one or ends the text.
    fn white_space_end(&self, start: usize) -> usize {
        let mut last = start;
        let mut position = start;
        while position < self.text.len() {
            let (class, length) = self.classes.class_at(self.text, position);
            if class != Class::Space {
                return if last > start { last } else { position };
            }
            last = position;
            position += length;
        }
        position
    }
}

impl<'text> Iterator for PreTokens<'text> {
    type Item = &'text [u8];

    #[inline]
    fn next(&mut self) -> Option<&'text [u8]> {
        if self.position == self.text.len() {
            return None;
        }
        let end = self.pre_token_end();
        let piece = &self.text[self.position..end];
        self.position = end;
        Some(piece)
    }
}

/// Length of the English contraction that begins with the apostrophe at the start of `text`, or 0.
fn contraction_length(text: &[u8]) -> usize {
    match text[1..] {
        [b's' | b'd' | b'm' | b't', ..] => 2,
        [b'l', b'l', ..] | [b'v' | b'r', b'e', ..] => 3,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<&str> {
        PreTokens::new(text.as_bytes())
            .map(|piece| std::str::from_utf8(piece).expect("valid text is cut between characters"))
            .collect()
    }

    #[test]
    fn words_numbers_and_punctuation_take_one_space_before_them() {
        assert_eq!(
            pieces("Hi there, 42 x1!?"),
            ["Hi", " there", ",", " 42", " x", "1", "!?"]
        );
    }

    #[test]
    fn contractions_are_lower_case_and_need_no_letter_before_them() {
        assert_eq!(
            pieces("I'll 'tis I'LL"),
            ["I", "'ll", " '", "tis", " I", "'", "LL"]
        );
        assert_eq!(pieces("'s 's"), ["'s", " '", "s"]);
        assert_eq!(pieces("we've'"), ["we", "'ve", "'"]);
        assert_eq!(pieces("!'s 'r"), ["!'", "s", " '", "r"]);
    }

    #[test]
    fn the_last_white_space_before_a_word_stands_apart_or_joins_it() {
        assert_eq!(pieces("a  b"), ["a", " ", " b"]);
        assert_eq!(pieces("a \n b"), ["a", " \n", " b"]);
        assert_eq!(pieces("a \n\tb"), ["a", " \n", "\t", "b"]);
        assert_eq!(pieces("a\nb"), ["a", "\n", "b"]);
        assert_eq!(
            pieces("a\u{a0}b \u{3000}c"),
            ["a", "\u{a0}", "b", " ", "\u{3000}", "c"]
        );
    }

    #[test]
    fn white_space_at_the_end_stays_whole() {
        assert_eq!(pieces("a \n  "), ["a", " \n  "]);
        assert_eq!(pieces(" "), [" "]);
        assert_eq!(pieces(""), [""; 0]);
    }

    #[test]
    fn letters_of_all_scripts_run_together_and_marks_do_not() {
        assert_eq!(
            pieces("naïve Ωmega 你好 Ⅷ²"),
            ["naïve", " Ωmega", " 你好", " Ⅷ²"]
        );
        assert_eq!(pieces("e\u{301}a"), ["e", "\u{301}", "a"]);
    }

    #[test]
    fn malformed_bytes_are_cut_like_punctuation_and_none_is_lost() {
        let text = b"ab\xFF\xE2\x82 c\xED\xA0\x80\xF4\x90!\xC3";
        let found: Vec<&[u8]> = PreTokens::new(text).collect();
        let expected: [&[u8]; 4] = [b"ab", b"\xFF\xE2\x82", b" c", b"\xED\xA0\x80\xF4\x90!\xC3"];
        assert_eq!(found, expected);
    }
}
