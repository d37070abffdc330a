//! What is known of each pair of symbols: an open-addressing table.

use crate::fold_hash::FoldHash;
use crate::memory_hints::prefetch;

const FIRST_CAPACITY: usize = 1 << 10;

/// Two symbols side by side in one integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair(u64);

impl Pair {
    /// No pair: no symbol has the largest number.
    const NONE: Self = Self(u64::MAX);

    #[inline]
    pub(crate) fn new(left: u32, right: u32) -> Self {
        Self(u64::from(left) << 32 | u64::from(right))
    }

    #[inline]
    pub(crate) fn symbols(self) -> (u32, u32) {
        ((self.0 >> 32) as u32, self.0 as u32)
    }
}

/// A pair, how often it occurs, and which stretch of the array of positions is its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PairEntry {
    pub(crate) pair: Pair,
    pub(crate) count: u64,
    pub(crate) first: usize,
    pub(crate) length: u32,
}

const FREE: PairEntry = PairEntry {
    pair: Pair::NONE,
    count: 0,
    first: 0,
    length: 0,
};

/// Entries by pair; none is ever removed.
pub(crate) struct PairTable {
    entries: Vec<PairEntry>,
    length: usize,
    shift: u32,
    hash: FoldHash,
}

impl Default for PairTable {
    fn default() -> Self {
        Self {
            entries: vec![FREE; FIRST_CAPACITY],
            length: 0,
            shift: 64 - FIRST_CAPACITY.ilog2(),
            hash: FoldHash::default(),
        }
    }
}

impl PairTable {
    /// Place of the pair, or of where it would be.
    #[inline]
    fn place(&self, pair: Pair) -> usize {
        let mut place = (self.hash.of(pair.0, 0) >> self.shift) as usize;
        let last = self.entries.len() - 1;
        loop {
            let known = self.entries[place & last].pair;
            if known == pair || known == Pair::NONE {
                return place & last;
            }
            place += 1;
        }
    }

    /// The entry of a pair, where there is one.
    #[inline]
    pub(crate) fn get_mut(&mut self, pair: Pair) -> Option<&mut PairEntry> {
        let place = self.place(pair);
        let entry = &mut self.entries[place];
        (entry.pair == pair).then_some(entry)
    }

    /// Ask for the memory of a pair's entry.
    pub(crate) fn prefetch(&self, pair: Pair) {
        let place = self.hash.of(pair.0, 0) >> self.shift;
        prefetch(&self.entries, place as usize);
    }

    /// Lower the count of a pair that is known.
    #[inline]
    pub(crate) fn lower(&mut self, pair: Pair, count: u64) {
        if let Some(entry) = self.get_mut(pair) {
            entry.count -= count;
        }
    }

    /// Set the count of a pair that is known to 0.
    pub(crate) fn take(&mut self, pair: Pair) {
        if let Some(entry) = self.get_mut(pair) {
            entry.count = 0;
        }
    }

    /// How often a pair occurs, as far as it is known.
    pub(crate) fn count(&self, pair: Pair) -> u64 {
        self.entries[self.place(pair)].count
    }

    /// The entry of a pair; a new one is empty.
    #[inline]
    pub(crate) fn entry(&mut self, pair: Pair) -> &mut PairEntry {
        let mut place = self.place(pair);
        if self.entries[place].pair != pair {
            if self.length >= self.entries.len() / 2 {
                self.grow();
                place = self.place(pair);
            }
            self.length += 1;
            self.entries[place].pair = pair;
        }
        &mut self.entries[place]
    }

    #[cold]
    fn grow(&mut self) {
        let larger = vec![FREE; self.entries.len() * 2];
        let entries = std::mem::replace(&mut self.entries, larger);
        self.shift -= 1;
        for entry in entries {
            if entry.pair != Pair::NONE {
                let place = self.place(entry.pair);
                self.entries[place] = entry;
            }
        }
    }

    /// All entries, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &PairEntry> {
        self.entries.iter().filter(|entry| entry.pair != Pair::NONE)
    }

    /// All entries, in no particular order.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut PairEntry> {
        self.entries
            .iter_mut()
            .filter(|entry| entry.pair != Pair::NONE)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::pattern::tests::random_numbers;

    #[test]
    fn entries_are_those_of_a_map() {
        let colliding = PairTable {
            hash: FoldHash::colliding(0), // the low half is the pair, which is never 0 here
            ..PairTable::default()
        };
        for mut table in [PairTable::default(), colliding] {
            let mut random = random_numbers(5);
            let mut expected: HashMap<(u32, u32), u64> = HashMap::new();
            for _ in 0..20_000 {
                let symbols = (1 + random(90) as u32, random(90) as u32);
                table.entry(Pair::new(symbols.0, symbols.1)).count += 2;
                *expected.entry(symbols).or_default() += 2;
            }
            assert!(expected.len() > FIRST_CAPACITY, "the table grew");
            for (&(left, right), count) in &mut expected {
                table.lower(Pair::new(left, right), 1);
                *count -= 1;
            }
            table.lower(Pair::new(1, 1000), 1);
            assert_eq!(table.count(Pair::new(1, 1000)), 0);
            table.take(Pair::new(1, 2));
            expected.insert((1, 2), 0);
            let found = table
                .iter()
                .map(|entry| (entry.pair.symbols(), entry.count));
            assert_eq!(found.collect::<HashMap<_, _>>(), expected);
        }
    }
}
