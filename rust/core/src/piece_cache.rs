//! The ids of pre-tokens seen before, in memory of fixed size.

use std::hint::select_unpredictable;

use crate::memory_hints::{HUGE_PAGE, prefer_huge_pages, prefetch};
use crate::piece_key::PieceKey;

/// Ids that an entry holds itself.
pub(crate) const OWN_IDS: usize = 3;
/// What stands for the number of ids when they are in the store.
const STORED: u32 = u32::MAX;

const BUCKET_BITS: u32 = 18;
/// A bucket is a cache line of two entries, each a key and a value of 16 bytes.
const BUCKET_WORDS: usize = 4;
const TABLE_WORDS: usize = BUCKET_WORDS << BUCKET_BITS;
const STORE_WORDS: usize = 1 << 20;

/// A table of buckets for 2^19 pre-tokens, where an empty entry has the key 0, and a store of what does not fit into its entries.
///
/// It takes 20 MiB of which the system gives what is written to, and never more, so that encoding asks
/// for no memory. A newcomer pushes the older entry out of its bucket; when the store is full,
/// everything is forgotten.
pub(crate) struct PieceCache {
    words: Vec<u128>,
    /// Where the first cache line of `words` begins.
    first: usize,
    /// For each pre-token here: how many bytes and ids, the bytes of a long one, and the ids.
    store: Vec<u32>,
}

/// What an entry says: ids and how many of them count, or where in the store they are.
#[derive(Clone, Copy)]
pub(crate) struct Value(u128);

impl Value {
    fn new(ids: [u32; OWN_IDS], count: u32) -> Self {
        let words = [ids[0], ids[1], ids[2], count];
        Self(
            words
                .iter()
                .rev()
                .fold(0, |bits, &word| bits << 32 | u128::from(word)),
        )
    }

    /// All places for ids, of which the first `count` matter; none when they are in the store.
    #[inline]
    pub(crate) fn own_ids(self) -> Option<([u32; OWN_IDS], usize)> {
        let count = (self.0 >> 96) as u32;
        let ids = [self.0 as u32, (self.0 >> 32) as u32, (self.0 >> 64) as u32];
        (count != STORED).then_some((ids, count as usize))
    }

    fn place_in_store(self) -> usize {
        self.0 as u32 as usize
    }
}

impl PieceCache {
    pub(crate) fn new() -> Self {
        // Zeros from the system cost nothing before they are written to.
        let mut words = vec![0_u128; TABLE_WORDS + HUGE_PAGE / size_of::<u128>()];
        let first = words.as_ptr().align_offset(HUGE_PAGE);
        let first = if first + TABLE_WORDS <= words.len() {
            first
        } else {
            0
        };
        prefer_huge_pages(&mut words[first..first + TABLE_WORDS]);
        Self {
            words,
            first,
            store: Vec::with_capacity(STORE_WORDS),
        }
    }

    #[inline]
    fn index(&self, key: PieceKey) -> usize {
        self.first + (key.hash() >> (64 - BUCKET_BITS)) as usize * BUCKET_WORDS
    }

    /// Begin to load the bucket of a key that is looked up a little later.
    #[inline]
    pub(crate) fn prefetch(&self, key: PieceKey) {
        prefetch(&self.words, self.index(key));
    }

    /// The value of a key, if it is known.
    #[inline]
    pub(crate) fn value(&self, key: PieceKey) -> Option<Value> {
        let bucket = self.words[self.index(key)..].first_chunk::<BUCKET_WORDS>();
        let &[newer, newer_value, older, older_value] = bucket?;
        let key = key.bits();
        // Which of the two it is cannot be foreseen, that it is here can.
        let value = select_unpredictable(newer == key, newer_value, older_value);
        (newer == key || older == key).then_some(Value(value))
    }

    /// The ids that `value` says, if they are those of `piece`: of long ones the key is but a hash.
    pub(crate) fn stored_ids(&self, value: Value, piece: &[u8]) -> Option<&[u32]> {
        let place = value.place_in_store();
        let &[num_bytes, num_ids] = self.store[place..].first_chunk::<2>()?;
        let after = &self.store[place + 2..];
        let (bytes, after) = after.split_at(num_bytes.div_ceil(4) as usize);
        let is_same = num_bytes == 0
            || (num_bytes as usize == piece.len() && words_of(piece).eq(bytes.iter().copied()));
        is_same.then(|| &after[..num_ids as usize])
    }

    /// Remember the ids of a pre-token.
    pub(crate) fn insert(&mut self, key: PieceKey, piece: &[u8], ids: &[u32]) {
        let value = if ids.len() <= OWN_IDS && !key.is_hash() {
            let mut own = [0; OWN_IDS];
            own[..ids.len()].copy_from_slice(ids);
            Value::new(own, ids.len() as u32)
        } else {
            let num_bytes = if key.is_hash() { piece.len() } else { 0 };
            let needed = 2 + num_bytes.div_ceil(4) + ids.len();
            if self.store.len() + needed > STORE_WORDS {
                self.words.fill(0);
                self.store.clear();
            }
            let place = self.store.len() as u32;
            self.store.extend([num_bytes as u32, ids.len() as u32]);
            self.store.extend(words_of(&piece[..num_bytes]));
            self.store.extend_from_slice(ids);
            Value::new([place, 0, 0], STORED)
        };
        let index = self.index(key);
        self.words.copy_within(index..index + 2, index + 2);
        self.words[index] = key.bits();
        self.words[index + 1] = value.0;
    }
}

/// Bytes in words of four, the last one filled up with zeros.
fn words_of(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks(4).map(|chunk| {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        u32::from_le_bytes(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(piece: &[u8]) -> PieceKey {
        PieceKey::of(piece, 0, piece.len()).unwrap_or_else(|| PieceKey::hashed(piece))
    }

    /// What the cache says of a pre-token.
    fn found(cache: &PieceCache, piece: &[u8]) -> Option<Vec<u32>> {
        let key = key_of(piece);
        let value = cache.value(key)?;
        match value.own_ids() {
            Some((ids, count)) => Some(ids[..count].to_vec()),
            None => cache.stored_ids(value, piece).map(<[u32]>::to_vec),
        }
    }

    #[test]
    fn what_was_put_in_comes_out_until_its_bucket_overflows() {
        let mut cache = PieceCache::new();
        let mut num_kept = 0;
        let piece =
            |number: u32| [&number.to_le_bytes()[..], &vec![b'x'; number as usize % 30]].concat();
        let ids = |number: u32| vec![number; 1 + number as usize % 9];
        for number in 0..200_000 {
            assert_eq!(found(&cache, &piece(number)), None);
            cache.insert(key_of(&piece(number)), &piece(number), &ids(number));
            assert_eq!(found(&cache, &piece(number)), Some(ids(number)));
            let earlier = number / 2;
            let kept = found(&cache, &piece(earlier));
            num_kept += usize::from(kept.is_some());
            assert!(kept.is_none_or(|kept| kept == ids(earlier)));
        }
        assert!(num_kept > 100_000, "only {num_kept} were remembered");
    }

    #[test]
    fn pieces_of_one_hash_are_told_apart() {
        let mut cache = PieceCache::new();
        let (one, other) = (b"sixteen bytes ...", b"and sixteen other");
        let key = key_of(one);
        cache.insert(key, one, &[7]);
        let value = cache.value(key).expect("it was put in");
        assert_eq!(cache.stored_ids(value, one), Some(&[7][..]));
        assert_eq!(cache.stored_ids(value, other), None);
    }
}
