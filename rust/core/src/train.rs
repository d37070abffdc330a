//! What is learnt from counted pre-tokens, and on which terms.

use std::collections::HashSet;

use crate::count::PieceCounts;
use crate::merge_order::TieBreak;
use crate::piece_slots::PieceSlots;
use crate::trainer::Trainer;
use crate::{Error, Progress, Stage};

/// The two tokens that a merge joins.
pub type Merge = (Vec<u8>, Vec<u8>);

/// What has been learnt: merges, in the order in which they apply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merges {
    /// The single bytes, then what each merge makes.
    pub tokens: Vec<Vec<u8>>,
    /// For each merge, the two tokens that it joins, as places in `tokens`.
    pub pairs: Vec<(u32, u32)>,
}

impl Merges {
    /// The bytes of each merge's two tokens.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<Merge> {
        let token = |id: u32| self.tokens[id as usize].clone();
        let pairs = self.pairs.iter();
        pairs
            .map(|&(left, right)| (token(left), token(right)))
            .collect()
    }
}

/// What to learn.
#[derive(Clone, Copy, Debug)]
pub struct Learning {
    /// How many merges to learn at most.
    pub num_merges: usize,
    /// What decides between equals.
    pub tie_break: TieBreak,
    /// A pair that occurs less often never merges; 0 means the same as 1.
    pub min_frequency: u64,
}

/// Learn merges, in the order in which they apply.
///
/// The most frequent pair wins. A pair whose joined bytes are a token already never merges, so that
/// no two tokens are alike; `reserved` ones, too, have an id of their own.
pub(crate) fn learn_merges(
    counts: &PieceCounts,
    reserved: &[Vec<u8>],
    learning: &Learning,
    progress: &Progress,
) -> Result<Merges, Error> {
    // In English of 100 MB the last of 32,000 merges stands some 50 times. A cutoff that is too low
    // only keeps more pairs than needed; one that is too high costs another survey.
    let first_cutoff = |num_symbols| num_symbols / 128 / learning.num_merges.max(1) as u64;
    learn_from_cutoff(counts, reserved, learning, progress, first_cutoff)
}

/// Learn merges; pairs that occur less often than `first_cutoff`, given how many symbols there are,
/// are not looked at before all others are done with.
fn learn_from_cutoff(
    counts: &PieceCounts,
    reserved: &[Vec<u8>],
    learning: &Learning,
    progress: &Progress,
    first_cutoff: impl Fn(u64) -> u64,
) -> Result<Merges, Error> {
    progress.start(Stage::Merging, learning.num_merges as u64);
    let pieces = PieceSlots::new(counts, progress)?;
    let cutoff = first_cutoff(pieces.num_symbols);
    let reserved = reserved.iter().map(Vec::as_slice).collect::<HashSet<_>>();
    let mut trainer = Trainer::new(pieces, cutoff, &reserved, learning, progress);
    trainer.survey()?;
    let mut pairs = Vec::new();
    while pairs.len() < learning.num_merges {
        progress.check()?;
        let Some(pair) = trainer.merge_best_pair()? else {
            break;
        };
        pairs.push(pair);
        progress.add(1);
    }
    let tokens = trainer.into_tokens();
    Ok(Merges { tokens, pairs })
}

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;
