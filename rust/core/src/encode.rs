//! How a text becomes ids: special tokens, then pre-tokens, then merges in the order of their rank.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use crate::piece_key::PieceKey;
use crate::special::{Segment, SpecialTokens};
use crate::vocabulary::{NO_RANK, Vocabulary};
use crate::workspace::{Workspace, Workspaces};
use crate::{Error, Pattern};

/// Pre-tokens of up to this many bytes are merged by plain scanning, which beats a heap there.
pub(crate) const SHORT_PIECE_BYTES: usize = 128;

/// An immutable encoder and decoder; threads may share it.
pub struct Encoder {
    pub(crate) vocabulary: Vocabulary,
    pub(crate) specials: SpecialTokens,
    no_specials: SpecialTokens,
    pub(crate) pattern: Pattern,
    special_ids: Vec<u32>,
    /// What whole pre-tokens become without merging; empty unless merges are to be ignored.
    whole_ids: FxHashMap<Box<[u8]>, u32>,
    pub(crate) workspaces: Workspaces,
}

impl Encoder {
    /// Put together a vocabulary and special tokens, whose ids are in it.
    ///
    /// With `ignore_merges` a pre-token that is an ordinary token as a whole becomes it at once.
    pub fn new(
        vocabulary: Vocabulary,
        special_tokens: Vec<(Vec<u8>, u32)>,
        pattern: Pattern,
        ignore_merges: bool,
    ) -> Result<Self, Error> {
        let (tokens, special_ids): (Vec<_>, Vec<_>) = special_tokens.into_iter().unzip();
        for &id in &special_ids {
            let largest = vocabulary.largest_id();
            vocabulary
                .token(id)
                .ok_or(Error::UnknownTokenId { id, largest })?;
        }
        let whole_ids = if ignore_merges {
            vocabulary.ordinary_ids(&special_ids)
        } else {
            FxHashMap::default()
        };
        Ok(Self {
            vocabulary,
            specials: SpecialTokens::new(tokens)?,
            no_specials: SpecialTokens::new(Vec::new())?,
            pattern,
            special_ids,
            whole_ids,
            workspaces: Workspaces::new(),
        })
    }

    /// The ids of `text`; special tokens in it become their ids when asked for.
    ///
    /// Only a pattern that is a regular expression can fail.
    pub fn encode(&self, text: &[u8], with_special_tokens: bool) -> Result<Vec<u32>, Error> {
        let mut workspace = self.workspaces.borrow();
        let mut ids = Vec::new();
        self.encode_either(text, with_special_tokens, &mut workspace, &mut ids)?;
        Ok(ids)
    }

    /// Append the ids of `text`, with or without special tokens.
    pub(crate) fn encode_either(
        &self,
        text: &[u8],
        with_special_tokens: bool,
        workspace: &mut Workspace,
        ids: &mut Vec<u32>,
    ) -> Result<(), Error> {
        if with_special_tokens {
            self.encode_into(text, workspace, ids)
        } else {
            self.encode_ordinary(text, workspace, ids)
        }
    }

    /// The special tokens that cut a text: all or none.
    pub(crate) fn cutting_tokens(&self, with_special_tokens: bool) -> &SpecialTokens {
        if with_special_tokens {
            &self.specials
        } else {
            &self.no_specials
        }
    }

    /// Id of a special token.
    pub(crate) fn special_id(&self, token: &[u8]) -> Option<u32> {
        self.specials
            .position(token)
            .map(|index| self.special_ids[index])
    }

    /// Append the ids of `text`, its special tokens included.
    pub(crate) fn encode_into(
        &self,
        text: &[u8],
        workspace: &mut Workspace,
        ids: &mut Vec<u32>,
    ) -> Result<(), Error> {
        for segment in self.specials.segments(text) {
            match segment {
                Segment::Ordinary(stretch) => self.encode_ordinary(stretch, workspace, ids)?,
                Segment::Special(index) => ids.push(self.special_ids[index]),
            }
        }
        Ok(())
    }

    fn encode_ordinary(
        &self,
        text: &[u8],
        workspace: &mut Workspace,
        ids: &mut Vec<u32>,
    ) -> Result<(), Error> {
        self.pattern.for_each_piece(text, |piece| {
            if let Some(key) = PieceKey::of(piece, 0, piece.len()) {
                if let Some(known) = workspace.cache.get(key) {
                    ids.extend_from_slice(known);
                    return;
                }
                let start = ids.len();
                match self.whole_ids.get(piece) {
                    Some(&id) => ids.push(id),
                    None => self.merge_short(piece, &mut workspace.symbols, ids),
                }
                workspace.cache.insert(key, &ids[start..]);
            } else if let Some(&id) = self.whole_ids.get(piece) {
                ids.push(id);
            } else if piece.len() <= SHORT_PIECE_BYTES {
                self.merge_short(piece, &mut workspace.symbols, ids);
            } else {
                self.merge_long(piece, ids);
            }
        })
    }

    /// Merge by looking for the lowest rank again and again: quadratic, and fast for short pieces.
    fn merge_short(&self, piece: &[u8], symbols: &mut Vec<Symbol>, ids: &mut Vec<u32>) {
        symbols.clear();
        symbols.extend(
            piece
                .iter()
                .map(|&byte| Symbol::new(self.vocabulary.byte_id(byte))),
        );
        for index in 0..symbols.len().saturating_sub(1) {
            self.set_rank(symbols, index);
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
            symbols[index].id = self.vocabulary.merged_id(rank);
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
        left.rank = right.map_or(NO_RANK, |right| self.vocabulary.rank(left.id, right));
    }

    /// Merge with a heap of pairs over a linked list of symbols: n log n for n bytes.
    fn merge_long(&self, piece: &[u8], ids: &mut Vec<u32>) {
        let end = piece.len();
        let mut symbols: Vec<Symbol> = piece
            .iter()
            .map(|&byte| Symbol::new(self.vocabulary.byte_id(byte)))
            .collect();
        let mut next: Vec<usize> = (1..=end).collect();
        let mut previous: Vec<usize> = (0..end).map(|index| index.wrapping_sub(1)).collect();
        let mut heap = BinaryHeap::with_capacity(end);
        for index in 0..end - 1 {
            self.set_rank(&mut symbols, index);
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
            symbols[index].id = self.vocabulary.merged_id(rank);
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
                let rank = right.map_or(NO_RANK, |right| {
                    self.vocabulary.rank(symbols[left].id, right)
                });
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

#[cfg(test)]
mod tests;
