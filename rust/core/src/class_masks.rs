//! Which of 64 bytes are letters, numbers and white space: one bit for each byte.

use crate::classes::{Class, ClassTable};

/// Bytes in a block, one for each bit of a mask.
pub(crate) const BLOCK_BYTES: usize = 64;

/// The classes of a block's bytes; bit `i` is that of byte `i`.
///
/// Every byte of a character has the character's class. Bytes in none of the first three masks are
/// neither letters, numbers nor white space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClassMasks {
    pub(crate) letters: u64,
    pub(crate) numbers: u64,
    pub(crate) spaces: u64,
    /// U+0020, which is among the spaces too.
    pub(crate) blanks: u64,
    /// `'`
    pub(crate) apostrophes: u64,
    /// Bytes of white space that do not begin a character.
    pub(crate) space_tails: u64,
    /// Bytes that are not ASCII.
    wide: u64,
}

/// Fill `masks` with the classes of `text` from `start` on, which must be where a character begins.
///
/// Bits beyond the end of the text are 0.
#[inline]
pub(crate) fn classify(text: &[u8], start: usize, masks: &mut [ClassMasks]) {
    let mut wide = 0;
    for (number, place) in masks.iter_mut().enumerate() {
        let rest = text.get(start + number * BLOCK_BYTES..).unwrap_or_default();
        *place = match rest.first_chunk::<BLOCK_BYTES>() {
            Some(block) => classify_ascii(block),
            None => classify_ascii(&padded(rest)),
        };
        wide |= place.wide;
    }
    if wide != 0 {
        classify_wide(text, start, masks);
    }
}

/// Bytes of fewer than a block, with NULs after them, which are in no mask.
#[cold]
fn padded(rest: &[u8]) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    block[..rest.len()].copy_from_slice(rest);
    block
}

/// Put the characters that are not ASCII into the masks of their classes.
fn classify_wide(text: &[u8], start: usize, masks: &mut [ClassMasks]) {
    let classes = ClassTable::get();
    // Bytes of this block that belong to a character of the one before.
    let mut taken = 0;
    for number in 0..masks.len() {
        let mut left = masks[number].wide & (u64::MAX << taken);
        taken = 0;
        while left != 0 {
            let first = left.trailing_zeros() as usize;
            let (class, length) = classes.class_at(text, start + number * BLOCK_BYTES + first);
            let bytes = (1_u64 << length) - 1;
            masks[number].add(class, bytes << first, 1 << first);
            left &= !(bytes << first);
            let end = first + length;
            if end > BLOCK_BYTES {
                taken = end - BLOCK_BYTES;
                if let Some(next) = masks.get_mut(number + 1) {
                    next.add(class, (1 << taken) - 1, 0);
                }
            }
        }
    }
}

impl ClassMasks {
    #[inline]
    fn add(&mut self, class: Class, bytes: u64, first: u64) {
        if class.is_in(Class::LETTER) {
            self.letters |= bytes;
        } else if class == Class::NUMBER {
            self.numbers |= bytes;
        } else if class == Class::SPACE {
            self.spaces |= bytes;
            self.space_tails |= bytes & !first;
        }
    }
}

/// Classify ASCII; the other bytes are in `wide` alone.
#[cfg(not(target_arch = "x86_64"))]
fn classify_ascii(block: &[u8; BLOCK_BYTES]) -> ClassMasks {
    classify_ascii_by_words(block)
}

/// Classify eight bytes at a time in one integer: a byte's upper bit says whether it is in a range.
#[cfg_attr(target_arch = "x86_64", cfg(test))]
fn classify_ascii_by_words(block: &[u8; BLOCK_BYTES]) -> ClassMasks {
    const ONES: u64 = u64::MAX / 255;
    const UPPER: u64 = ONES << 7;
    let mut masks = ClassMasks::default();
    for (number, bytes) in block.as_chunks::<8>().0.iter().enumerate() {
        let word = u64::from_le_bytes(*bytes);
        let low = word & !UPPER;
        // No sum reaches beyond its byte, because both parts are below 128.
        let at_least = |word: u64, least: u8| word + ONES * u64::from(128 - least);
        let in_range =
            |first, last: u8| at_least(low, first) & !at_least(low, last + 1) & !word & UPPER;
        // One bit of each byte, gathered into eight.
        let gather =
            |bits: u64| ((bits >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * number);
        let blanks = in_range(b' ', b' ');
        let letters = in_range(b'A', b'Z') | in_range(b'a', b'z');
        masks.letters |= gather(letters);
        masks.numbers |= gather(in_range(b'0', b'9'));
        masks.spaces |= gather(in_range(b'\t', b'\r') | blanks);
        masks.blanks |= gather(blanks);
        masks.apostrophes |= gather(in_range(b'\'', b'\''));
        masks.wide |= gather(word & UPPER);
    }
    masks
}

/// Classify ASCII; the other bytes are in `wide` alone.
#[cfg(target_arch = "x86_64")]
#[inline]
#[allow(unsafe_code)]
fn classify_ascii(block: &[u8; BLOCK_BYTES]) -> ClassMasks {
    // SAFETY: all processors of this architecture have SSE2.
    unsafe { classify_ascii_by_sse2(block) }
}

/// Classify sixteen bytes at a time.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
#[inline]
fn classify_ascii_by_sse2(block: &[u8; BLOCK_BYTES]) -> ClassMasks {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi8, _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_movemask_epi8, _mm_or_si128,
        _mm_set_epi64x, _mm_set1_epi8,
    };
    let every = |byte: u8| _mm_set1_epi8(byte.cast_signed());
    // Bytes are compared with a sign: what is `first` becomes the lowest number of all.
    let in_range = |bytes: __m128i, first: u8, last: u8| {
        let shifted = _mm_add_epi8(bytes, every(128_u8.wrapping_sub(first)));
        _mm_cmplt_epi8(shifted, every(128_u8.wrapping_add(last - first + 1)))
    };
    let mut masks = ClassMasks::default();
    for (number, bytes) in block.as_chunks::<16>().0.iter().enumerate() {
        let [low, high] = [0, 8].map(|at| {
            let half = bytes[at..].first_chunk::<8>();
            i64::from_le_bytes(*half.expect("sixteen bytes have two halves"))
        });
        let bytes = _mm_set_epi64x(high, low);
        let gather =
            |bits: __m128i| u64::from(_mm_movemask_epi8(bits).cast_unsigned()) << (16 * number);
        let blanks = _mm_cmpeq_epi8(bytes, every(b' '));
        let lower_case = _mm_or_si128(bytes, every(b' '));
        masks.letters |= gather(in_range(lower_case, b'a', b'z'));
        masks.numbers |= gather(in_range(bytes, b'0', b'9'));
        masks.spaces |= gather(_mm_or_si128(in_range(bytes, b'\t', b'\r'), blanks));
        masks.blanks |= gather(blanks);
        masks.apostrophes |= gather(_mm_cmpeq_epi8(bytes, every(b'\'')));
        masks.wide |= gather(bytes);
    }
    masks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::tests::{ALPHABET, random_numbers};

    fn bit(mask: u64, index: usize) -> bool {
        mask >> index & 1 == 1
    }

    #[test]
    fn every_byte_has_the_class_of_its_character() {
        let classes = ClassTable::get();
        let mut random = random_numbers(3);
        for _ in 0..500 {
            let text: Vec<u8> = (0..random(150))
                .flat_map(|_| ALPHABET[random(ALPHABET.len())].to_vec())
                .collect();
            let mut masks = [ClassMasks::default(); 4];
            classify(&text, 0, &mut masks);
            let mut position = 0;
            while position < text.len().min(4 * BLOCK_BYTES) {
                let (class, length) = classes.class_at(&text, position);
                for at in position..(position + length).min(4 * BLOCK_BYTES) {
                    let (found, index) = (masks[at / BLOCK_BYTES], at % BLOCK_BYTES);
                    assert_eq!(bit(found.letters, index), class.is_in(Class::LETTER));
                    assert_eq!(bit(found.numbers, index), class == Class::NUMBER);
                    assert_eq!(bit(found.spaces, index), class == Class::SPACE);
                    assert_eq!(bit(found.blanks, index), text[at] == b' ');
                    assert_eq!(bit(found.apostrophes, index), text[at] == b'\'');
                    let is_tail = class == Class::SPACE && at > position;
                    assert_eq!(bit(found.space_tails, index), is_tail);
                }
                position += length;
            }
            for at in position..4 * BLOCK_BYTES {
                let (found, index) = (masks[at / BLOCK_BYTES], at % BLOCK_BYTES);
                assert!(!bit(found.letters | found.numbers | found.spaces, index));
            }
        }
    }

    #[test]
    fn every_way_of_classifying_ascii_gives_the_same() {
        let mut random = random_numbers(4);
        for _ in 0..2_000 {
            let block = std::array::from_fn(|_| random(256) as u8);
            assert_eq!(classify_ascii(&block), classify_ascii_by_words(&block));
        }
    }
}
