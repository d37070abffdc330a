//! How the bytes of a pre-token become ids: merges in the order of their rank, the leftmost first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::pair_ranks::NO_RANK;
use crate::vocabulary::Vocabulary;

/// Pre-tokens of up to this many bytes are merged by plain scanning, which beats a heap there.
pub(crate) const SHORT_PIECE_BYTES: usize = 128;

impl Vocabulary {
    /// Append the ids that `piece` merges to; `symbols` is scratch memory.
    pub(crate) fn merge(&self, piece: &[u8], symbols: &mut Vec<Symbol>, ids: &mut Vec<u32>) {
        if piece.len() <= SHORT_PIECE_BYTES {
            self.merge_short(piece, symbols, ids);
        } else {
            self.merge_long(piece, ids);
        }
    }

    /// Merge by looking for the lowest rank again and again: quadratic, and fast for short pieces.
    pub(crate) fn merge_short(&self, piece: &[u8], symbols: &mut Vec<Symbol>, ids: &mut Vec<u32>) {
        symbols.clear();
        symbols.extend(piece.iter().map(|&byte| Symbol::new(self.byte_id(byte))));
        for index in 0..symbols.len().saturating_sub(1) {
            symbols[index].rank = self.byte_rank(piece[index], piece[index + 1]);
        }
        loop {
            let ranks = symbols.iter().map(|symbol| symbol.rank).enumerate();
            // `min_by_key` returns the first of equals, which is the leftmost pair.
            let Some((index, rank)) = ranks.min_by_key(|&(_, rank)| rank) else {
                break;
            };
            if rank == NO_RANK {
                break;
            }
            symbols[index].id = self.merged_id(rank);
            symbols.remove(index + 1);
            self.set_rank(symbols, index);
            if index > 0 {
                self.set_rank(symbols, index - 1);
            }
        }
        ids.extend(symbols.iter().map(|symbol| symbol.id));
    }

    /// Set the rank of the pair that begins at `index`.
    #[inline]
    fn set_rank(&self, symbols: &mut [Symbol], index: usize) {
        let right = symbols.get(index + 1).map(|symbol| symbol.id);
        let left = &mut symbols[index];
        left.rank = right.map_or(NO_RANK, |right| self.rank(left.id, right));
    }

    /// Merge with a heap of pairs over a linked list of symbols: n log n for n bytes.
    pub(crate) fn merge_long(&self, piece: &[u8], ids: &mut Vec<u32>) {
        let end = piece.len();
        let mut symbols: Vec<Symbol> = piece
            .iter()
            .map(|&byte| Symbol::new(self.byte_id(byte)))
            .collect();
        let mut next: Vec<usize> = (1..=end).collect();
        let mut previous: Vec<usize> = (0..end).map(|index| index.wrapping_sub(1)).collect();
        let mut heap = BinaryHeap::with_capacity(end);
        for index in 0..end - 1 {
            symbols[index].rank = self.byte_rank(piece[index], piece[index + 1]);
            if symbols[index].rank != NO_RANK {
                heap.push(Reverse((symbols[index].rank, index)));
            }
        }
        while let Some(Reverse((rank, index))) = heap.pop() {
            // A rank names its pair, so an entry is stale exactly when the rank has changed.
            if symbols[index].rank != rank {
                continue;
            }
            let swallowed = next[index];
            symbols[index].id = self.merged_id(rank);
            symbols[swallowed] = Symbol::SWALLOWED;
            let after = next[swallowed];
            next[index] = after;
            if after < end {
                previous[after] = index;
            }
            for left in [previous[index], index] {
                if left >= end {
                    continue; // the first symbol has none before it
                }
                let right = symbols.get(next[left]).map(|right| right.id);
                let rank = right.map_or(NO_RANK, |right| self.rank(symbols[left].id, right));
                symbols[left].rank = rank;
                if rank != NO_RANK {
                    heap.push(Reverse((rank, left)));
                }
            }
        }
        let kept = symbols
            .iter()
            .filter(|symbol| symbol.id != Symbol::SWALLOWED.id);
        ids.extend(kept.map(|symbol| symbol.id));
    }
}

/// A symbol of a pre-token, and the rank of its merge with the next one.
#[derive(Clone, Copy)]
pub(crate) struct Symbol {
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
