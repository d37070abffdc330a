//! How the bytes of a pre-token become ids: merges in the order of their rank, the leftmost first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::long_pieces::WINDOW_BYTES;
use crate::merge_together::{Lane, Lanes, MOST_PLACES};
use crate::pair_ranks::NO_RANK;
use crate::vocabulary::Vocabulary;

/// Pre-tokens of up to this many bytes are merged by plain scanning, which beats a heap there.
pub(crate) const SHORT_PIECE_BYTES: usize = MOST_PLACES - 2;
/// So that rank and place of a pair in a short pre-token fit into 32 bits.
pub(crate) const MOST_MERGES: usize = u32::MAX as usize / MOST_PLACES;

/// Memory that merging uses and leaves for the next time.
pub(crate) struct MergeScratch {
    symbols: Vec<Symbol>,
    /// Where the symbol after and before each one begins.
    next: Vec<u32>,
    previous: Vec<u32>,
    /// The pairs of bytes that can merge, in order: ranks above, places below, in one number.
    first_pairs: Vec<u64>,
    /// The pairs that merges have made since.
    heap: BinaryHeap<Reverse<u64>>,
    /// Short pre-tokens that are merged in turn.
    pub(crate) lanes: Lanes,
}

impl MergeScratch {
    /// With room for pre-tokens of this length.
    pub(crate) fn with_room_for(num_bytes: usize) -> Self {
        Self {
            symbols: Vec::with_capacity(num_bytes),
            next: Vec::with_capacity(num_bytes),
            previous: Vec::with_capacity(num_bytes),
            first_pairs: Vec::with_capacity(num_bytes),
            // Each merge puts at most two pairs there.
            heap: BinaryHeap::with_capacity(2 * num_bytes),
            lanes: Lanes::default(),
        }
    }
}

impl Vocabulary {
    /// Append the ids that `piece` merges to.
    pub(crate) fn merge(&self, piece: &[u8], scratch: &mut MergeScratch, ids: &mut Vec<u32>) {
        if piece.len() <= SHORT_PIECE_BYTES {
            self.merge_short(piece, ids);
        } else if piece.len() <= WINDOW_BYTES {
            self.merge_by_heap(piece, scratch, ids);
        } else {
            self.merge_by_windows(piece, scratch, ids);
        }
    }

    /// Merge by looking for the lowest rank again and again: quadratic, and fast for short pieces.
    pub(crate) fn merge_short(&self, piece: &[u8], ids: &mut Vec<u32>) {
        let mut lane = Lane::<MOST_PLACES>::default();
        lane.start(piece, self);
        while lane.step(self) {}
        lane.append(ids);
    }

    /// Merge with a heap of pairs over a linked list of symbols: n log n for n bytes,
    /// of which there must be fewer than 2^32.
    pub(crate) fn merge_by_heap(
        &self,
        piece: &[u8],
        scratch: &mut MergeScratch,
        ids: &mut Vec<u32>,
    ) {
        let MergeScratch {
            symbols,
            next,
            previous,
            first_pairs,
            heap,
            lanes: _,
        } = scratch;
        let end = piece.len() as u32;
        symbols.clear();
        symbols.extend(piece.iter().map(|&byte| Symbol::new(self.byte_id(byte))));
        next.clear();
        next.extend(1..=end);
        previous.clear();
        previous.extend((0..end).map(|place| place.wrapping_sub(1)));
        first_pairs.clear();
        for (place, pair) in (0..).zip(piece.windows(2)) {
            let rank = self.byte_rank(pair[0], pair[1]);
            symbols[place as usize].rank = rank;
            if rank != NO_RANK {
                first_pairs.push(waiting_pair(rank, place));
            }
        }
        // Sorted at once they are no burden on the heap, which then holds few pairs at a time.
        first_pairs.sort_unstable();
        heap.clear();
        let mut first_pairs = first_pairs.iter().copied().peekable();
        loop {
            let made = heap.peek().map_or(u64::MAX, |made| made.0);
            let pair = match first_pairs.next_if(|&first| first < made) {
                Some(first) => first,
                None if made == u64::MAX => break,
                None => {
                    heap.pop();
                    made
                }
            };
            let (rank, place) = ((pair >> 32) as u32, pair as u32);
            // A rank names its pair, so an entry is stale exactly when the rank has changed.
            if symbols[place as usize].rank != rank {
                continue;
            }
            let swallowed = next[place as usize] as usize;
            symbols[place as usize].id = self.merged_id(rank);
            symbols[swallowed] = Symbol::SWALLOWED;
            let after = next[swallowed];
            next[place as usize] = after;
            if after < end {
                previous[after as usize] = place;
            }
            for left in [previous[place as usize], place] {
                if left >= end {
                    continue; // the first symbol has none before it
                }
                let right = symbols.get(next[left as usize] as usize);
                let symbol = symbols[left as usize];
                let rank = right.map_or(NO_RANK, |right| self.rank(symbol.id, right.id));
                symbols[left as usize].rank = rank;
                if rank != NO_RANK {
                    heap.push(Reverse(waiting_pair(rank, left)));
                }
            }
        }
        let kept = symbols
            .iter()
            .filter(|symbol| symbol.id != Symbol::SWALLOWED.id);
        ids.extend(kept.map(|symbol| symbol.id));
    }
}

/// A number that is lower for the pair that merges first. It is never `u64::MAX`, which is no rank.
fn waiting_pair(rank: u32, place: u32) -> u64 {
    u64::from(rank) << 32 | u64::from(place)
}

/// A symbol of a pre-token, and the rank of its merge with the next one.
#[derive(Clone, Copy)]
struct Symbol {
    id: u32,
    rank: u32,
}

impl Symbol {
    /// What is left of a symbol that its left neighbour took in; no token has this id.
    const SWALLOWED: Self = Self {
        id: u32::MAX,
        rank: NO_RANK,
    };

    fn new(id: u32) -> Self {
        Self { id, rank: NO_RANK }
    }
}
