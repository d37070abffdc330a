//! Which of the four classes of GPT-2's pattern the character at a position of a text belongs to.

use std::sync::LazyLock;

use crate::unicode::{LETTERS, NUMBERS, WHITE_SPACE};

/// What the pattern distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Everything else, malformed bytes included.
    Other,
    /// `\p{L}`
    Letter,
    /// `\p{N}`
    Number,
    /// `\s`
    Space,
}

const BLOCK: usize = 256;
const BLOCKS: usize = 0x11_0000 / BLOCK;

/// Class of each code point in two levels: most blocks are alike, and those are stored once.
pub(crate) struct ClassTable {
    ascii: [Class; 128],
    block_numbers: Vec<u8>,
    blocks: Vec<[Class; BLOCK]>,
}

static TABLE: LazyLock<ClassTable> = LazyLock::new(ClassTable::build);

impl ClassTable {
    /// The table, built on first use.
    pub(crate) fn get() -> &'static Self {
        &TABLE
    }

    fn build() -> Self {
        let mut flat = vec![Class::Other; BLOCKS * BLOCK];
        for (class, ranges) in [
            (Class::Letter, LETTERS),
            (Class::Number, NUMBERS),
            (Class::Space, WHITE_SPACE),
        ] {
            for &(first, last) in ranges {
                flat[first as usize..=last as usize].fill(class);
            }
        }
        let mut ascii = [Class::Other; 128];
        ascii.copy_from_slice(&flat[..128]);
        let mut blocks: Vec<[Class; BLOCK]> = Vec::new();
        let block_numbers = flat
            .as_chunks::<BLOCK>()
            .0
            .iter()
            .map(|block| {
                let known = blocks.iter().position(|other| other == block);
                known.unwrap_or_else(|| {
                    blocks.push(*block);
                    blocks.len() - 1
                }) as u8 // Unicode 16 has about 150 distinct blocks; a test counts them
            })
            .collect();
        Self {
            ascii,
            block_numbers,
            blocks,
        }
    }

    /// Class and length in bytes of the character at `position`, which must lie in `text`.
    ///
    /// A byte that does not begin a valid character is one unit of class `Other`.
    #[inline]
    pub(crate) fn class_at(&self, text: &[u8], position: usize) -> (Class, usize) {
        let byte = text[position];
        if byte < 128 {
            return (self.ascii[byte as usize], 1);
        }
        match decode_multibyte(&text[position..]) {
            Some((code_point, length)) => {
                let block = self.block_numbers[code_point / BLOCK];
                (self.blocks[block as usize][code_point % BLOCK], length)
            }
            None => (Class::Other, 1),
        }
    }

    /// Class of an ASCII byte; `Other` for the rest.
    #[inline]
    pub(crate) fn ascii_class(&self, byte: u8) -> Option<Class> {
        self.ascii.get(byte as usize).copied()
    }
}

/// Code point and length of the character of two to four bytes at the start of `text`, if valid.
#[inline]
fn decode_multibyte(text: &[u8]) -> Option<(usize, usize)> {
    let continuation = |index: usize, first: u8, last: u8| -> Option<usize> {
        let byte = *text.get(index)?;
        (first..=last)
            .contains(&byte)
            .then_some((byte & 0x3F) as usize)
    };
    let lead = *text.first()?;
    // The second byte's range rules out overlong forms, surrogates and what lies above U+10FFFF.
    let (second_first, second_last) = match lead {
        0xE0 => (0xA0, 0xBF),
        0xED => (0x80, 0x9F),
        0xF0 => (0x90, 0xBF),
        0xF4 => (0x80, 0x8F),
        _ => (0x80, 0xBF),
    };
    let second = continuation(1, second_first, second_last)?;
    let lead_bits = lead as usize;
    match lead {
        0xC2..=0xDF => Some(((lead_bits & 0x1F) << 6 | second, 2)),
        0xE0..=0xEF => {
            let third = continuation(2, 0x80, 0xBF)?;
            Some(((lead_bits & 0x0F) << 12 | second << 6 | third, 3))
        }
        0xF0..=0xF4 => {
            let third = continuation(2, 0x80, 0xBF)?;
            let fourth = continuation(3, 0x80, 0xBF)?;
            Some((
                (lead_bits & 0x07) << 18 | second << 12 | third << 6 | fourth,
                4,
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_found_in_its_range_and_with_its_length() {
        let table = ClassTable::get();
        assert!(table.blocks.len() <= 256);
        let holds = |ranges: &[(u32, u32)], c: u32| ranges.iter().any(|r| r.0 <= c && c <= r.1);
        for character in (0..=0x10_FFFF).filter_map(char::from_u32).step_by(7) {
            let mut buffer = [0; 4];
            let bytes = character.encode_utf8(&mut buffer).as_bytes();
            let code_point = character as u32;
            let class = match code_point {
                c if holds(LETTERS, c) => Class::Letter,
                c if holds(NUMBERS, c) => Class::Number,
                c if holds(WHITE_SPACE, c) => Class::Space,
                _ => Class::Other,
            };
            assert_eq!(
                table.class_at(bytes, 0),
                (class, bytes.len()),
                "U+{code_point:04X}"
            );
        }
    }

    #[test]
    fn a_sequence_is_valid_exactly_when_the_standard_library_says_so() {
        let edges = [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF];
        for lead in 0x80..=0xFF {
            for second in edges {
                for third in edges {
                    let text = [lead, second, third, 0x80];
                    let first_character =
                        (2..=4).find(|&n| std::str::from_utf8(&text[..n]).is_ok());
                    assert_eq!(
                        decode_multibyte(&text).map(|found| found.1),
                        first_character
                    );
                }
            }
        }
    }
}
