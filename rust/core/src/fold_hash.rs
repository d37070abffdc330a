//! A fast hash with a key that nobody knows, for tables whose contents strangers may choose.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Hashes integers of up to 128 bits by one folded multiplication with a random key.
///
/// Texts can be written so that all their pre-tokens collide under a hash that is known. The key
/// differs from table to table; nothing that is learnt depends on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FoldHash {
    low: u64,
    high: u64,
}

impl Default for FoldHash {
    fn default() -> Self {
        let random = RandomState::new();
        Self {
            low: random.hash_one(0),
            high: random.hash_one(1),
        }
    }
}

impl FoldHash {
    /// 64 well mixed bits.
    #[inline]
    pub(crate) fn of(self, low: u64, high: u64) -> u64 {
        let product = u128::from(low ^ self.low) * u128::from(high ^ self.high);
        product as u64 ^ (product >> 64) as u64
    }
}

impl BuildHasher for FoldHash {
    type Hasher = IntegerHasher;

    #[inline]
    fn build_hasher(&self) -> IntegerHasher {
        IntegerHasher {
            key: *self,
            state: 0,
        }
    }
}

/// Folds one block of 128 bits after the other.
pub(crate) struct IntegerHasher {
    key: FoldHash,
    state: u64,
}

impl Hasher for IntegerHasher {
    #[inline]
    fn write_u128(&mut self, number: u128) {
        self.state = self
            .key
            .of(number as u64 ^ self.state, (number >> 64) as u64);
    }

    fn write(&mut self, bytes: &[u8]) {
        let (blocks, rest) = bytes.as_chunks::<16>();
        for &block in blocks {
            self.write_u128(u128::from_le_bytes(block));
        }
        let mut last = [0; 16];
        last[..rest.len()].copy_from_slice(rest);
        last[15] = rest.len() as u8; // which no other last block of these bytes has
        self.write_u128(u128::from_le_bytes(last));
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.state
    }
}

#[cfg(test)]
impl FoldHash {
    /// A hash under which all integers with these low bits collide.
    pub(crate) fn colliding(low: u64) -> Self {
        Self { low, high: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_differ_hash_differently_and_the_same_ones_alike() {
        let hash = FoldHash::default();
        let text = [7; 70];
        let mut hashes: Vec<u64> = (0..70)
            .map(|length| hash.hash_one(&text[..length]))
            .collect();
        assert_eq!(hashes[33], hash.hash_one(vec![7; 33].as_slice()));
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 70);
    }

    #[test]
    fn every_table_has_a_key_of_its_own() {
        assert_ne!(FoldHash::default().of(1, 2), FoldHash::default().of(1, 2));
    }
}
