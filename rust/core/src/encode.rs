//! How a text becomes ids: special tokens, then pre-tokens, which are looked up or merged.

use rustc_hash::FxHashMap;

use crate::merge::MergeScratch;
use crate::merge_together::{LANE_BYTES, MOST_TOGETHER};
use crate::piece_batch::{MOST_PIECES, Rare};
use crate::special::{Segment, SpecialTokens};
use crate::vocabulary::Vocabulary;
use crate::workspace::{Workspace, Workspaces};
use crate::{Error, Pattern};

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
        workspace.batch.begin();
        let mut length = 0;
        let scanned = self.pattern.for_each_range(text, |_, end| {
            length += 1;
            workspace.batch.set_end(length, end);
            if length == MOST_PIECES {
                self.encode_pieces(text, length, workspace, ids);
                length = 0;
            }
        });
        self.encode_pieces(text, length, workspace, ids);
        scanned
    }

    /// Append the ids of the first `length` pre-tokens in the workspace's batch.
    fn encode_pieces(
        &self,
        text: &[u8],
        length: usize,
        workspace: &mut Workspace,
        ids: &mut Vec<u32>,
    ) {
        let Workspace {
            cache,
            scratch,
            batch,
        } = workspace;
        let (rare, rare_ids) = batch.look_up(text, length, cache);
        if !rare.is_empty() {
            self.merge_rare(text, rare, scratch, rare_ids);
        }
        batch.append_ids(text, cache, ids, |piece, ids| {
            self.merge_one(piece, scratch, ids);
        });
    }

    /// Append the ids of a pre-token.
    fn merge_one(&self, piece: &[u8], scratch: &mut MergeScratch, ids: &mut Vec<u32>) {
        match self.whole_ids.get(piece) {
            Some(&id) => ids.push(id),
            None => self.vocabulary.merge(piece, scratch, ids),
        }
    }

    /// Append the ids of the new pre-tokens in `rare`, in any order and without the long ones.
    fn merge_rare(
        &self,
        text: &[u8],
        rare: &mut [Rare],
        scratch: &mut MergeScratch,
        ids: &mut Vec<u32>,
    ) {
        let mut short = [0; MOST_TOGETHER];
        let mut num_short = 0;
        for index in 0..rare.len() {
            if !rare[index].is_new || rare[index].is_long() {
                continue;
            }
            let piece = &text[rare[index].bytes.clone()];
            if piece.len() > LANE_BYTES || !self.whole_ids.is_empty() {
                let first = ids.len();
                self.merge_one(piece, scratch, ids);
                rare[index].ids = first..ids.len();
                continue;
            }
            scratch.lanes.start(num_short, piece, &self.vocabulary);
            short[num_short] = index;
            num_short += 1;
            if num_short == MOST_TOGETHER {
                self.merge_lanes(&short, rare, scratch, ids);
                num_short = 0;
            }
        }
        self.merge_lanes(&short[..num_short], rare, scratch, ids);
    }

    /// Append the ids of the pre-tokens in the lanes, those of `rare` with these indices.
    fn merge_lanes(
        &self,
        indices: &[usize],
        rare: &mut [Rare],
        scratch: &mut MergeScratch,
        ids: &mut Vec<u32>,
    ) {
        scratch.lanes.merge(indices.len(), &self.vocabulary);
        for (lane, &index) in indices.iter().enumerate() {
            let first = ids.len();
            scratch.lanes.append(lane, ids);
            rare[index].ids = first..ids.len();
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
