//! How often each short pre-token occurs: an open-addressing table that is asked in batches.
//!
//! The table of a large corpus is larger than the processor's caches. So keys wait in a batch while
//! the memory that each needs is on its way.

use std::hash::BuildHasher;

use crate::fold_hash::FoldHash;
use crate::memory_hints::prefetch;
use crate::piece_key::PieceKey;

/// Keys that wait.
const BATCH: usize = 64;
const FIRST_CAPACITY: usize = 1 << 10;

/// A key and its count; the key of an empty pre-token, which is never stored, marks a free place.
///
/// Packed, it takes 24 bytes instead of the 32 that a number of 128 bits is aligned to.
#[derive(Clone, Copy, Default)]
#[repr(C, packed(8))]
struct Entry {
    key: PieceKey,
    count: u64,
}

/// Counts by key.
pub(crate) struct PieceTable {
    entries: Vec<Entry>,
    length: usize,
    /// How far a hash is shifted so that it becomes a place; there are `1 << (64 - shift)` places.
    shift: u32,
    hash: FoldHash,
    waiting: [(PieceKey, u64); BATCH],
    num_waiting: usize,
}

impl Default for PieceTable {
    fn default() -> Self {
        Self {
            entries: vec![Entry::default(); FIRST_CAPACITY],
            length: 0,
            shift: 64 - FIRST_CAPACITY.ilog2(),
            hash: FoldHash::default(),
            waiting: [(PieceKey::default(), 0); BATCH],
            num_waiting: 0,
        }
    }
}

impl PieceTable {
    /// Count a key of at least one byte once more, by and by: before anything else is asked of the
    /// table, `settle` must be called.
    #[inline]
    pub(crate) fn count(&mut self, key: PieceKey) {
        let hash = self.hash.hash_one(key);
        prefetch(&self.entries, (hash >> self.shift) as usize);
        self.waiting[self.num_waiting % BATCH] = (key, hash);
        self.num_waiting += 1;
        if self.num_waiting == BATCH {
            self.settle();
        }
    }

    /// Count the keys that wait.
    #[inline(never)]
    pub(crate) fn settle(&mut self) {
        for index in 0..self.num_waiting {
            let (key, hash) = self.waiting[index % BATCH];
            self.add_hashed(key, hash, 1);
        }
        self.num_waiting = 0;
    }

    /// Count a key of at least one byte `count` times more.
    pub(crate) fn add(&mut self, key: PieceKey, count: u64) {
        self.add_hashed(key, self.hash.hash_one(key), count);
    }

    #[inline]
    fn add_hashed(&mut self, key: PieceKey, hash: u64, count: u64) {
        let mut place = (hash >> self.shift) as usize;
        let last = self.entries.len() - 1;
        loop {
            let entry = &mut self.entries[place & last];
            let known = entry.key;
            if known == key {
                entry.count = entry.count.saturating_add(count);
                return;
            }
            if known == PieceKey::default() {
                *entry = Entry { key, count };
                self.length += 1;
                if self.length > self.entries.len() / 4 * 3 {
                    self.grow();
                }
                return;
            }
            place += 1;
        }
    }

    #[cold]
    fn grow(&mut self) {
        let larger = vec![Entry::default(); self.entries.len() * 2];
        let entries = std::mem::replace(&mut self.entries, larger);
        self.shift -= 1;
        self.length = 0;
        self.add_all(&entries);
    }

    /// Add all counts of `other`.
    pub(crate) fn absorb(&mut self, other: &Self) {
        self.add_all(&other.entries);
    }

    fn add_all(&mut self, entries: &[Entry]) {
        const AHEAD: usize = 16;
        for (index, entry) in entries.iter().enumerate() {
            if let Some(later) = entries.get(index + AHEAD) {
                let key = later.key;
                let hash = self.hash.hash_one(key);
                prefetch(&self.entries, (hash >> self.shift) as usize);
            }
            let Entry { key, count } = *entry;
            if key != PieceKey::default() {
                self.add(key, count);
            }
        }
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Every key with its count, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PieceKey, u64)> {
        let pairs = self.entries.iter().map(|entry| (entry.key, entry.count));
        pairs.filter(|&(key, _)| key != PieceKey::default())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::pattern::tests::random_numbers;

    fn key(piece: &[u8]) -> PieceKey {
        PieceKey::of(piece, 0, piece.len()).expect("short")
    }

    /// Count random pieces in the table and in a map; return both.
    fn counted(mut table: PieceTable, state: u64) -> (PieceTable, HashMap<PieceKey, u64>) {
        let mut random = random_numbers(state);
        let mut expected: HashMap<PieceKey, u64> = HashMap::new();
        for _ in 0..9_000 {
            let piece = format!("abcdefgh{}", random(3_000));
            *expected.entry(key(piece.as_bytes())).or_default() += 1;
            table.count(key(piece.as_bytes()));
        }
        table.settle();
        (table, expected)
    }

    #[test]
    fn counts_are_those_of_a_map_and_add_up() {
        let (mut table, mut expected) = counted(PieceTable::default(), 1);
        let (other, more) = counted(PieceTable::default(), 2);
        assert!(table.len() > FIRST_CAPACITY, "the table grew");
        table.absorb(&other);
        for (key, count) in more {
            *expected.entry(key).or_default() += count;
        }
        assert_eq!(table.len(), expected.len());
        assert_eq!(table.iter().collect::<HashMap<_, _>>(), expected);
    }

    #[test]
    fn keys_that_all_collide_are_told_apart() {
        let table = PieceTable {
            hash: FoldHash::colliding(u64::from_le_bytes(*b"abcdefgh")),
            ..PieceTable::default()
        };
        assert_eq!(
            table.hash.hash_one(key(b"abcdefgh1")),
            table.hash.hash_one(key(b"abcdefgh2"))
        );
        let (table, expected) = counted(table, 3);
        assert_eq!(table.iter().collect::<HashMap<_, _>>(), expected);
    }

    #[test]
    fn counts_stop_at_the_largest_number() {
        let mut table = PieceTable::default();
        table.add(key(b"a"), u64::MAX);
        table.count(key(b"a"));
        table.settle();
        assert_eq!(table.iter().collect::<Vec<_>>(), [(key(b"a"), u64::MAX)]);
    }
}
