//! A binary heap whose order depends on data outside of it: here, on the bytes of tokens.

/// A pair of the trainer's table, and a count that it has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) count: u64,
    pub(crate) pair: u32,
}

/// The greatest candidate on top; `is_above(a, b)` must be the same strict order in every call.
#[derive(Default)]
pub(crate) struct PairHeap {
    entries: Vec<Candidate>,
}

impl PairHeap {
    /// Add a candidate.
    pub(crate) fn push(
        &mut self,
        candidate: Candidate,
        is_above: impl Fn(Candidate, Candidate) -> bool,
    ) {
        let mut index = self.entries.len();
        self.entries.push(candidate);
        while index > 0 {
            let parent = (index - 1) / 2;
            if !is_above(candidate, self.entries[parent]) {
                break;
            }
            self.entries.swap(index, parent);
            index = parent;
        }
    }

    /// Take the greatest candidate.
    pub(crate) fn pop(
        &mut self,
        is_above: impl Fn(Candidate, Candidate) -> bool,
    ) -> Option<Candidate> {
        if self.entries.is_empty() {
            return None;
        }
        let top = self.entries.swap_remove(0);
        let mut index = 0;
        loop {
            let mut child = 2 * index + 1;
            if child >= self.entries.len() {
                return Some(top);
            }
            let right = child + 1;
            if right < self.entries.len() && is_above(self.entries[right], self.entries[child]) {
                child = right;
            }
            if !is_above(self.entries[child], self.entries[index]) {
                return Some(top);
            }
            self.entries.swap(index, child);
            index = child;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_come_out_in_falling_order() {
        let is_above = |a: Candidate, b: Candidate| (a.count, a.pair) > (b.count, b.pair);
        let mut heap = PairHeap::default();
        let mut expected = Vec::new();
        for number in 0_u64..1000 {
            let candidate = Candidate {
                count: number * 7919 % 101,
                pair: number as u32,
            };
            heap.push(candidate, is_above);
            expected.push(candidate);
        }
        expected.sort_by_key(|candidate| std::cmp::Reverse((candidate.count, candidate.pair)));
        let found: Vec<_> = std::iter::from_fn(|| heap.pop(is_above)).collect();
        assert_eq!(found, expected);
    }
}
