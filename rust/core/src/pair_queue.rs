//! Which pair is the most frequent one: a queue made for counts that only fall.
//!
//! No pair that comes in can be more frequent than the one that went out last. So pairs wait
//! unsorted, in 65 buckets by how much of the last count's binary digits their own shares, and only
//! a bucket that is next is looked through. Pairs of one count are put into order by the caller's
//! rule, in a heap.

use crate::pair_table::Pair;

/// A pair among those of equal count, with what decides first between them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Equal {
    pub(crate) key: u64,
    pub(crate) pair: Pair,
}

/// What the queue must know of pairs.
pub(crate) trait Ranking {
    /// How often a pair occurs now: never more than when it was pushed.
    fn count(&self, pair: Pair) -> u64;
    /// Say that a pair's count is asked for soon.
    fn prefetch(&self, pair: Pair);
    /// The greater one goes first, unless they are the same.
    fn key(&self, pair: Pair) -> u64;
    /// Whether `a` goes before `b`, of equal count and key: the same strict order in every call.
    fn is_before(&self, a: Pair, b: Pair) -> bool;
}

/// Pairs with counts of at least a limit, the most frequent first.
pub(crate) struct PairQueue {
    buckets: Vec<Vec<Pair>>,
    /// Pairs that had the count `last` when they came in, as a binary heap.
    equals: Vec<Equal>,
    last: u64,
    least: u64,
}

impl PairQueue {
    /// A queue that drops pairs with counts below `least`.
    pub(crate) fn new(least: u64) -> Self {
        Self {
            buckets: vec![Vec::new(); 65],
            equals: Vec::new(),
            last: u64::MAX,
            least,
        }
    }

    /// Add a pair whose count is not above that of the last one taken.
    pub(crate) fn push(&mut self, pair: Pair, count: u64, ranking: &impl Ranking) {
        debug_assert!(count <= self.last);
        if count < self.least {
            return;
        }
        if count == self.last {
            let key = ranking.key(pair);
            self.push_equal(Equal { key, pair }, ranking);
        } else {
            let bucket = self.bucket(count);
            self.buckets[bucket].push(pair);
        }
    }

    /// Number of the highest binary digit in which `count` differs from the last one, from 1.
    fn bucket(&self, count: u64) -> usize {
        (u64::BITS - (count ^ self.last).leading_zeros()) as usize
    }

    /// Take the pair that goes first.
    pub(crate) fn pop(&mut self, ranking: &impl Ranking) -> Option<Pair> {
        loop {
            while let Some(Equal { pair, .. }) = self.pop_equal(ranking) {
                let count = ranking.count(pair);
                if count == self.last {
                    return Some(pair);
                }
                self.push(pair, count, ranking); // it has fallen since it came in
            }
            self.open_next_bucket(ranking)?;
        }
    }

    /// Sort the first bucket that holds any pairs again, by the greatest count in it.
    fn open_next_bucket(&mut self, ranking: &impl Ranking) -> Option<()> {
        const AHEAD: usize = 16;
        let next = self.buckets.iter().position(|bucket| !bucket.is_empty())?;
        let pairs = std::mem::take(&mut self.buckets[next]);
        let mut counted = Vec::with_capacity(pairs.len());
        for (index, &pair) in pairs.iter().enumerate() {
            if let Some(&later) = pairs.get(index + AHEAD) {
                ranking.prefetch(later);
            }
            let count = ranking.count(pair);
            if count >= self.least && self.bucket(count) == next {
                counted.push((pair, count));
            } else {
                self.push(pair, count, ranking); // it has fallen out of the bucket's range
            }
        }
        if let Some(greatest) = counted.iter().map(|&(_, count)| count).max() {
            self.last = greatest;
        }
        for (pair, count) in counted {
            self.push(pair, count, ranking);
        }
        Some(())
    }

    fn push_equal(&mut self, equal: Equal, ranking: &impl Ranking) {
        let mut index = self.equals.len();
        self.equals.push(equal);
        while index > 0 {
            let parent = (index - 1) / 2;
            if !is_before(equal, self.equals[parent], ranking) {
                break;
            }
            self.equals.swap(index, parent);
            index = parent;
        }
    }

    fn pop_equal(&mut self, ranking: &impl Ranking) -> Option<Equal> {
        if self.equals.is_empty() {
            return None;
        }
        let top = self.equals.swap_remove(0);
        let mut index = 0;
        loop {
            let mut child = 2 * index + 1;
            if child >= self.equals.len() {
                return Some(top);
            }
            let right = child + 1;
            if right < self.equals.len()
                && is_before(self.equals[right], self.equals[child], ranking)
            {
                child = right;
            }
            if !is_before(self.equals[child], self.equals[index], ranking) {
                return Some(top);
            }
            self.equals.swap(index, child);
            index = child;
        }
    }
}

fn is_before(a: Equal, b: Equal, ranking: &impl Ranking) -> bool {
    if a.key == b.key {
        ranking.is_before(a.pair, b.pair)
    } else {
        a.key > b.key
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::pattern::tests::random_numbers;

    /// Counts by left symbol; of equal ones the greater symbol goes first, by halves of its number.
    struct Counts(RefCell<Vec<u64>>);

    impl Ranking for Counts {
        fn count(&self, pair: Pair) -> u64 {
            self.0.borrow()[pair.symbols().0 as usize]
        }

        fn prefetch(&self, _: Pair) {}

        fn key(&self, pair: Pair) -> u64 {
            u64::from(pair.symbols().0 / 2)
        }

        fn is_before(&self, a: Pair, b: Pair) -> bool {
            a.symbols().0 > b.symbols().0
        }
    }

    #[test]
    fn the_most_frequent_pair_comes_out_while_counts_fall_and_pairs_come_in() {
        let mut random = random_numbers(11);
        for round in 0..200 {
            let least = 1 + random(3) as u64;
            let range = if round % 2 == 0 { 9 } else { 1 << 20 };
            let counts = Counts(RefCell::default());
            let mut queue = PairQueue::new(least);
            let mut taken: Vec<bool> = Vec::new();
            let add = |queue: &mut PairQueue, taken: &mut Vec<bool>, count| {
                let pair = Pair::new(taken.len() as u32, 0);
                counts.0.borrow_mut().push(count);
                taken.push(false);
                queue.push(pair, count, &counts);
            };
            for _ in 0..100 {
                add(&mut queue, &mut taken, random(range) as u64);
            }
            loop {
                let best = (0..taken.len())
                    .filter(|&symbol| !taken[symbol] && counts.0.borrow()[symbol] >= least)
                    .max_by_key(|&symbol| (counts.0.borrow()[symbol], symbol));
                let found = queue.pop(&counts).map(|pair| pair.symbols().0 as usize);
                assert_eq!(found, best);
                let Some(best) = best else { break };
                taken[best] = true;
                let most = counts.0.borrow()[best];
                for _ in 0..random(4) {
                    let fallen = random(taken.len());
                    let lower = counts.0.borrow()[fallen] / (1 + random(3) as u64);
                    counts.0.borrow_mut()[fallen] = lower;
                }
                if taken.len() < 300 {
                    add(&mut queue, &mut taken, most - random(2) as u64 * most / 2);
                }
            }
        }
    }
}
