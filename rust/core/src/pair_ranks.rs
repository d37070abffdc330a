//! The rank of each merge by the pair of ids that it joins, made to be looked up fast.

/// The rank of a pair that does not merge: it comes after all others.
pub(crate) const NO_RANK: u32 = u32::MAX;

use std::hint::select_unpredictable;

use crate::large_table::LargeTable;
use crate::memory_hints::prefetch;

/// An open-addressing table of buckets, at most half full, and a filter before it.
pub(crate) struct PairRanks {
    /// A bit for each hash, set where a pair has it. Most pairs that are asked for have no rank, and
    /// these bits stay in caches that the table is too large for.
    filter: Vec<u64>,
    /// Pairs above, ranks below, all bits turned over: what is empty has no pair, and is 0.
    entries: LargeTable,
    /// What the hash is shifted by, so that it becomes the number of a bucket.
    shift: u32,
}

/// Entries that fill a cache line: they are compared all at once, without a branch for each.
const BUCKET_ENTRIES: usize = 4;
/// Bits of the filter for each bucket.
const FILTER_BITS: usize = 8 * BUCKET_ENTRIES;

/// No pair: ids are below `u32::MAX`.
pub(crate) const EMPTY_PAIR: u64 = u64::MAX;

impl PairRanks {
    /// A table with room for this many pairs.
    pub(crate) fn with_room_for(num_pairs: usize) -> Self {
        let num_buckets =
            (2 * num_pairs).next_power_of_two().max(2 * BUCKET_ENTRIES) / BUCKET_ENTRIES;
        Self {
            filter: vec![0; num_buckets * FILTER_BITS / 64],
            entries: LargeTable::zeros(num_buckets * BUCKET_ENTRIES),
            shift: 64 - num_buckets.trailing_zeros(),
        }
    }

    /// Set the rank of a pair; `false` when it has one already.
    pub(crate) fn insert(&mut self, left: u32, right: u32, rank: u32) -> bool {
        let pair = pair_of(left, right);
        let last = self.entries.len() - 1;
        let mut index = (hash(pair) >> self.shift) as usize * BUCKET_ENTRIES;
        while self.entries[index] != 0 {
            if (!self.entries[index] >> 64) as u64 == pair {
                return false;
            }
            index = (index + 1) & last;
        }
        self.entries[index] = !(u128::from(pair) << 64 | u128::from(rank));
        let (word, bit) = self.filter_place(hash(pair));
        self.filter[word] |= bit;
        true
    }

    /// The rank of a pair, `NO_RANK` when it has none.
    #[inline]
    pub(crate) fn get(&self, left: u32, right: u32) -> u32 {
        let pair = pair_of(left, right);
        let (word, bit) = self.filter_place(hash(pair));
        if self.filter[word] & bit == 0 {
            NO_RANK
        } else {
            self.answer(pair)
        }
    }

    /// Begin to look for the rank of a pair, which `answer` gives a little later.
    #[inline]
    pub(crate) fn ask(&self, left: u32, right: u32) -> u64 {
        let pair = pair_of(left, right);
        let bucket = (hash(pair) >> self.shift) as usize;
        prefetch(&self.entries, bucket * BUCKET_ENTRIES);
        pair
    }

    /// The rank of a pair that was asked for, `NO_RANK` when it has none.
    #[inline]
    pub(crate) fn answer(&self, pair: u64) -> u32 {
        let buckets = self.entries.as_chunks::<BUCKET_ENTRIES>().0;
        let last = buckets.len() - 1;
        let mut bucket = (hash(pair) >> self.shift) as usize;
        loop {
            let entries = &buckets[bucket & last];
            // Selected and not jumped over: where the pair is, if anywhere, cannot be foreseen.
            let mut found = 0;
            for &entry in entries {
                let is_it = (entry >> 64) as u64 == !pair;
                found |= select_unpredictable(is_it, entry as u32, 0);
            }
            let last_entry = entries[BUCKET_ENTRIES - 1] as u32;
            if select_unpredictable(found != 0, 0, last_entry) == 0 {
                return !found;
            }
            bucket += 1;
        }
    }

    #[inline]
    fn filter_place(&self, hash: u64) -> (usize, u64) {
        let place = hash >> (self.shift - FILTER_BITS.trailing_zeros());
        ((place / 64) as usize, 1 << (place % 64))
    }
}

fn pair_of(left: u32, right: u32) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}

/// 64 bits of which the upper ones are well mixed.
#[inline]
fn hash(pair: u64) -> u64 {
    pair.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::pattern::tests::random_numbers;

    #[test]
    fn every_pair_has_its_own_rank_and_the_others_none() {
        let mut random = random_numbers(8);
        for num_pairs in [0, 1, 2, 50, 3_000] {
            let mut ranks = PairRanks::with_room_for(num_pairs);
            let mut known = HashMap::new();
            for rank in 0..num_pairs as u32 {
                let pair = (random(99) as u32, random(99) as u32);
                let is_new = !known.contains_key(&pair);
                assert_eq!(ranks.insert(pair.0, pair.1, rank), is_new);
                known.entry(pair).or_insert(rank);
            }
            for left in 0..99 {
                for right in 0..99 {
                    let expected = known.get(&(left, right)).copied().unwrap_or(NO_RANK);
                    assert_eq!(ranks.get(left, right), expected);
                }
            }
        }
    }
}
