//! The ids of pre-tokens seen before, in memory of fixed size.

use std::hint::select_unpredictable;

use crate::large_table::LargeTable;
use crate::memory_hints::prefetch;
use crate::piece_key::PieceKey;

/// Ids that an entry holds itself.
const OWN_IDS: usize = 3;
/// Bytes of an id.
pub(crate) const ID_BYTES: usize = size_of::<u32>();

const BUCKET_BITS: u32 = 18;
/// A bucket is a cache line of two entries, each a key and a value of 16 bytes.
const BUCKET_WORDS: usize = 4;
const STORE_WORDS: usize = 1 << 20;

/// A table of buckets for 2^19 pre-tokens, where an empty entry has the key 0, and a store of what does
/// not fit into its entries.
///
/// It takes 20 MiB of which the system gives what is written to, and never more, so that encoding asks
/// for no memory. A newcomer pushes the older entry out of its bucket; when the store is full,
/// everything is forgotten.
pub(crate) struct PieceCache {
    words: LargeTable,
    /// For each pre-token here: how many bytes and ids, the bytes of a long one, and the ids.
    store: Vec<u32>,
}

/// What an entry says: ids and how many of them count, or where in the store they are.
#[derive(Clone, Copy)]
pub(crate) struct Value(u128);

/// Bytes of a value, of which those of `OWN_IDS` ids are the first.
pub(crate) const VALUE_BYTES: usize = size_of::<Value>();

impl Value {
    /// What stands for the number of ids when they are in the store.
    const STORED: u32 = u32::MAX;

    fn new(ids: [u32; OWN_IDS], count: u32) -> Self {
        let [first, second, third] = ids.map(u128::from);
        Self(first | second << 32 | third << 64 | u128::from(count) << 96)
    }

    fn count(self) -> u32 {
        (self.0 >> 96) as u32
    }

    /// The bytes of its ids, and how many ids there are; none when they are in the store.
    #[inline]
    pub(crate) fn own_ids(self) -> Option<([u8; VALUE_BYTES], usize)> {
        let count = self.count();
        (count != Self::STORED).then_some((self.0.to_le_bytes(), count as usize))
    }

    fn place_in_store(self) -> usize {
        self.0 as u32 as usize
    }
}

impl PieceCache {
    pub(crate) fn new() -> Self {
        Self {
            words: LargeTable::zeros(BUCKET_WORDS << BUCKET_BITS),
            store: Vec::with_capacity(STORE_WORDS),
        }
    }

    /// Which bucket a key belongs to.
    #[inline]
    pub(crate) fn bucket(key: PieceKey) -> u32 {
        (key.hash() >> (64 - BUCKET_BITS)) as u32
    }

    /// Begin to load a bucket that is looked into a little later.
    #[inline]
    pub(crate) fn prefetch(&self, bucket: u32) {
        prefetch(self.buckets(), bucket as usize);
    }

    #[inline]
    fn buckets(&self) -> &[[u128; BUCKET_WORDS]] {
        self.words.as_chunks().0
    }

    /// The value of a key in its bucket, if it is known.
    #[inline]
    pub(crate) fn value(&self, key: PieceKey, bucket: u32) -> Option<Value> {
        let bucket = self.buckets().get(bucket as usize)?;
        let key = key.bits();
        // Which of the two it is cannot be foreseen, that it is here can: no jump but for that.
        let place = select_unpredictable(bucket[0] == key, 0, 2);
        (bucket[place] == key).then(|| Value(bucket[place + 1]))
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

    /// Remember the ids of a pre-token, unless its key is none or there.
    pub(crate) fn insert(&mut self, key: PieceKey, piece: &[u8], ids: &[u32]) {
        let bucket = Self::bucket(key);
        if key == PieceKey::NONE || (!key.is_hash() && self.value(key, bucket).is_some()) {
            return;
        }
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
            Value::new([place, 0, 0], Value::STORED)
        };
        let index = bucket as usize * BUCKET_WORDS;
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

/// The ids in such bytes as values have.
#[inline]
pub(crate) fn ids_of(bytes: &[u8]) -> impl ExactSizeIterator<Item = u32> {
    bytes.as_chunks().0.iter().map(|id| u32::from_le_bytes(*id))
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
        let value = cache.value(key, PieceCache::bucket(key))?;
        match value.own_ids() {
            Some((ids, count)) => Some(ids_of(&ids[..count * ID_BYTES]).collect()),
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
        let value = cache
            .value(key, PieceCache::bucket(key))
            .expect("it was put in");
        assert_eq!(cache.stored_ids(value, one), Some(&[7][..]));
        assert_eq!(cache.stored_ids(value, other), None);
    }
}
