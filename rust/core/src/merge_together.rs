//! Several short pre-tokens merged in turn, so that their waits for memory overlap.

use crate::merge::{NO_PAIR, rank_of, short_pair};
use crate::vocabulary::Vocabulary;

/// How many pre-tokens are merged in turn: enough to wait for one while the others go on.
pub(crate) const MOST_TOGETHER: usize = 8;
/// The longest pre-tokens for which this is made; nearly all are.
pub(crate) const LANE_BYTES: usize = 16;

/// A pre-token on its way to its ids.
#[derive(Clone, Copy, Default)]
struct Lane {
    symbols: [u32; LANE_BYTES],
    /// The rank of each symbol with the next one and its place, and where its neighbours begin.
    pairs: [u32; LANE_BYTES],
    next: [u8; LANE_BYTES],
    previous: [u8; LANE_BYTES],
    end: usize,
    /// Pairs that the last merge made, whose ranks are on their way, and their places.
    asked: [Option<(u64, usize)>; 2],
}

/// The memory of `merge_together`.
#[derive(Default)]
pub(crate) struct Lanes([Lane; MOST_TOGETHER]);

impl Lanes {
    /// Put in a pre-token of up to `LANE_BYTES` bytes as number `index`.
    pub(crate) fn start(&mut self, index: usize, piece: &[u8], vocabulary: &Vocabulary) {
        let lane = &mut self.0[index];
        lane.end = piece.len();
        lane.asked = [None; 2];
        lane.pairs = [NO_PAIR; LANE_BYTES];
        for (place, &byte) in piece.iter().enumerate() {
            lane.symbols[place] = vocabulary.byte_id(byte);
            lane.next[place] = place as u8 + 1;
            lane.previous[place] = (place as u8).wrapping_sub(1);
        }
        for (place, pair) in piece.windows(2).enumerate() {
            lane.pairs[place] = short_pair(vocabulary.byte_rank(pair[0], pair[1]), place);
        }
    }

    /// Merge the first `count` of what was put in.
    pub(crate) fn merge(&mut self, count: usize, vocabulary: &Vocabulary) {
        let mut unfinished = (1_u32 << count) - 1;
        while unfinished != 0 {
            for (index, lane) in self.0[..count].iter_mut().enumerate() {
                if unfinished >> index & 1 == 1 && !lane.step(vocabulary) {
                    unfinished &= !(1 << index);
                }
            }
        }
    }

    /// Append the ids of what was number `index`.
    pub(crate) fn append(&self, index: usize, ids: &mut Vec<u32>) {
        let lane = &self.0[index];
        let mut place = 0;
        while place < lane.end {
            ids.push(lane.symbols[place]);
            place = usize::from(lane.next[place]);
        }
    }
}

impl Lane {
    /// Merge the pair of the lowest rank, the leftmost of equals; `false` when there is none.
    #[inline]
    fn step(&mut self, vocabulary: &Vocabulary) -> bool {
        for (pair, place) in self.asked.iter_mut().filter_map(Option::take) {
            self.pairs[place % LANE_BYTES] = short_pair(vocabulary.rank_asked_for(pair), place);
        }
        // All of a fixed number, which needs no branch on the length.
        let lowest = self.pairs.iter().copied().min().unwrap_or(NO_PAIR);
        if lowest == NO_PAIR {
            return false;
        }
        let place = lowest as usize % LANE_BYTES; // which divides the steps between ranks
        let swallowed = usize::from(self.next[place]) % LANE_BYTES;
        let after = usize::from(self.next[swallowed]);
        let merged = vocabulary.merged_id(rank_of(lowest));
        self.symbols[place] = merged;
        self.pairs[place] = NO_PAIR;
        self.pairs[swallowed] = NO_PAIR;
        self.next[place] = after as u8;
        if after < self.end {
            self.previous[after % LANE_BYTES] = place as u8;
            let right = self.symbols[after % LANE_BYTES];
            self.asked[0] = vocabulary
                .ask_for_rank(merged, right)
                .map(|pair| (pair, place));
        }
        if place > 0 {
            let before = usize::from(self.previous[place]) % LANE_BYTES;
            self.pairs[before] = NO_PAIR;
            let left = self.symbols[before];
            self.asked[1] = vocabulary
                .ask_for_rank(left, merged)
                .map(|pair| (pair, before));
        }
        true
    }
}
