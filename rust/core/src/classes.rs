//! Which class, of those that the patterns tell apart, the character at a position of a text is of.

use std::ops::BitOr;
use std::sync::LazyLock;

use crate::unicode::{CATEGORY_RUNS, WHITE_SPACE};

/// One class, or a set of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Class(u8);

impl Class {
    /// Everything else, malformed bytes included.
    pub(crate) const OTHER: Self = Self(1);
    /// `\p{Lu}` and `\p{Lt}`.
    pub(crate) const UPPER: Self = Self(2);
    /// `\p{Ll}`
    pub(crate) const LOWER: Self = Self(4);
    /// `\p{Lm}` and `\p{Lo}`: letters of neither case.
    pub(crate) const CASELESS: Self = Self(8);
    /// `\p{M}`
    pub(crate) const MARK: Self = Self(16);
    /// `\p{N}`
    pub(crate) const NUMBER: Self = Self(32);
    /// `\s`
    pub(crate) const SPACE: Self = Self(64);
    /// `\p{L}`
    pub(crate) const LETTER: Self = Self(2 | 4 | 8);
    /// `[^\s\p{L}\p{N}]`
    pub(crate) const NEITHER: Self = Self(1 | 16);

    /// Whether the two sets have a class in common.
    #[inline]
    pub(crate) const fn is_in(self, set: Self) -> bool {
        self.0 & set.0 != 0
    }

    fn of_category(category: [u8; 2]) -> Self {
        match category {
            [b'L', b'u' | b't'] => Self::UPPER,
            [b'L', b'l'] => Self::LOWER,
            [b'L', _] => Self::CASELESS,
            [b'M', _] => Self::MARK,
            [b'N', _] => Self::NUMBER,
            _ => Self::OTHER,
        }
    }
}

impl BitOr for Class {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

const BLOCK: usize = 256;
const CODE_POINTS: usize = 0x11_0000;

/// Class of each code point in two levels: most blocks are alike, and those are stored once.
pub(crate) struct ClassTable {
    ascii: [Class; 128],
    block_numbers: Vec<u8>,
    blocks: Vec<[Class; BLOCK]>,
}

static TABLE: LazyLock<ClassTable> = LazyLock::new(ClassTable::build);

/// Build what is otherwise built at first use.
///
/// A process that forks while another thread builds it would leave its child waiting for ever; so
/// whoever may fork calls this first, while there is one thread.
pub fn prepare() {
    LazyLock::force(&TABLE);
}

impl ClassTable {
    /// The table, built on first use.
    #[inline]
    pub(crate) fn get() -> &'static Self {
        &TABLE
    }

    fn build() -> Self {
        let mut flat = vec![Class::OTHER; CODE_POINTS];
        let ends = CATEGORY_RUNS[1..].iter().map(|run| run.0 as usize);
        for (&(first, category), end) in CATEGORY_RUNS.iter().zip(ends.chain([CODE_POINTS])) {
            flat[first as usize..end].fill(Class::of_category(category));
        }
        for &(first, last) in WHITE_SPACE {
            flat[first as usize..=last as usize].fill(Class::SPACE);
        }
        let mut ascii = [Class::OTHER; 128];
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
                }) as u8 // Unicode 16 has about 200 distinct blocks; a test counts them
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
    /// A byte that does not begin a valid character is one unit of class `OTHER`.
    #[inline]
    pub(crate) fn class_at(&self, text: &[u8], position: usize) -> (Class, usize) {
        let byte = text[position];
        if byte < 128 {
            return (self.ascii[byte as usize], 1);
        }
        match decode_multibyte(&text[position..]) {
            Some((code_point, length)) => (self.class_of(code_point), length),
            None => (Class::OTHER, 1),
        }
    }

    /// Class of the character that ends right before `position`, which must not be 0.
    pub(crate) fn class_before(&self, text: &[u8], position: usize) -> Class {
        let byte = text[position - 1];
        if byte < 128 {
            return self.ascii[byte as usize];
        }
        // UTF-8 synchronises itself: a valid character that ends here is one in any reading.
        let found = (2..=position.min(4)).find_map(|length| {
            decode_multibyte(&text[position - length..position])
                .filter(|&(_, decoded_length)| decoded_length == length)
        });
        found.map_or(Class::OTHER, |(code_point, _)| self.class_of(code_point))
    }

    #[inline]
    fn class_of(&self, code_point: usize) -> Class {
        let block = self.block_numbers[code_point / BLOCK];
        self.blocks[block as usize][code_point % BLOCK]
    }

    /// Class of an ASCII byte; `None` for the rest.
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

    /// What the regex crate says about a character.
    fn class_by_regex(character: char) -> Class {
        use std::sync::LazyLock;
        static SETS: LazyLock<Vec<(fancy_regex::Regex, Class)>> = LazyLock::new(|| {
            [
                (r"\s", Class::SPACE),
                (r"[\p{Lu}\p{Lt}]", Class::UPPER),
                (r"\p{Ll}", Class::LOWER),
                (r"\p{L}", Class::CASELESS),
                (r"\p{M}", Class::MARK),
                (r"\p{N}", Class::NUMBER),
            ]
            .map(|(set, class)| (fancy_regex::Regex::new(set).expect("valid"), class))
            .to_vec()
        });
        let mut buffer = [0; 4];
        let text = character.encode_utf8(&mut buffer);
        let found = SETS
            .iter()
            .find(|(set, _)| set.is_match(text).expect("easy"));
        found.map_or(Class::OTHER, |&(_, class)| class)
    }

    #[test]
    fn every_character_has_the_class_that_the_regex_crate_gives_it() {
        let table = ClassTable::get();
        assert!(table.blocks.len() <= 256);
        for character in (0..=0x10_FFFF).filter_map(char::from_u32) {
            let mut buffer = [0; 4];
            let bytes = character.encode_utf8(&mut buffer).as_bytes();
            let found = table.class_at(bytes, 0);
            assert_eq!(table.class_before(bytes, bytes.len()), found.0);
            assert_eq!(
                found,
                (class_by_regex(character), bytes.len()),
                "U+{:04X}",
                character as u32
            );
        }
    }

    #[test]
    fn the_categories_are_those_of_the_regex_crate() {
        let mut ends: Vec<u32> = CATEGORY_RUNS[1..].iter().map(|run| run.0).collect();
        ends.push(0x11_0000);
        let mut names: Vec<&str> = CATEGORY_RUNS
            .iter()
            .map(|(_, category)| std::str::from_utf8(&category[..]).expect("ASCII"))
            .collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 30);
        for name in names.into_iter().filter(|&name| name != "Cs") {
            let set = fancy_regex::Regex::new(&format!("^\\p{{{name}}}+$")).expect("valid");
            let all: String = CATEGORY_RUNS
                .iter()
                .zip(&ends)
                .filter(|((_, category), _)| &category[..] == name.as_bytes())
                .flat_map(|(&(first, _), &end)| first..end)
                .filter_map(char::from_u32)
                .collect();
            assert!(set.is_match(&all).expect("easy"), "{name}");
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
