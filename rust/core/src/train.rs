//! How merges are learnt: the most frequent pair of neighbours first, with counts kept up to date.
//!
//! All distinct pre-tokens lie in one array of symbols. A merge visits only the positions where its
//! pair stands; the heap of pairs is lazy, because counts of known pairs only fall: every pair that
//! a merge creates holds the new token, so it is complete when the merge is.

use std::cmp::Ordering;
use std::mem::take;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::count::{PieceCounts, count_pre_tokens};
use crate::pair_heap::{Candidate, PairHeap};
use crate::{Error, InvalidUtf8, Pattern, Progress, Stage, TextSource};

/// The two tokens that a merge joins.
pub type Merge = (Vec<u8>, Vec<u8>);

/// What to learn merges from, and how.
#[derive(Clone, Copy, Debug)]
pub struct TrainingJob<'a> {
    /// The texts; each stands by itself.
    pub sources: &'a [TextSource<'a>],
    /// How many merges to learn at most.
    pub num_merges: usize,
    /// Tokens that cut the texts and never merge.
    pub special_tokens: &'a [Vec<u8>],
    /// What cuts the texts into the pre-tokens that merges stay within.
    pub pattern: &'a Pattern,
    /// What to do about malformed UTF-8.
    pub invalid_utf8: InvalidUtf8,
    /// 0 means one for each core; the result does not depend on it.
    pub num_threads: usize,
}

/// Learn merges, in the order in which they apply.
///
/// The most frequent pair wins, and of equals the greatest pair of byte strings. A pair whose joined
/// bytes are a token already never merges, so that no two tokens are alike.
pub fn train(job: &TrainingJob<'_>, progress: &Progress) -> Result<Vec<Merge>, Error> {
    let counts = count_pre_tokens(job, progress)?;
    let mut trainer = Trainer::new(&counts)?;
    drop(counts);
    progress.start(Stage::Merging, job.num_merges as u64);
    let mut merges = Vec::new();
    while merges.len() < job.num_merges {
        progress.check()?;
        let Some((left, right)) = trainer.merge_best_pair() else {
            break;
        };
        merges.push((
            trainer.tokens[left as usize].clone(),
            trainer.tokens[right as usize].clone(),
        ));
        progress.add(1);
    }
    Ok(merges)
}

/// Marks the slots between pre-tokens.
const BOUNDARY: u32 = u32::MAX;
/// Marks the slots inside a symbol, where none begins or ends.
const INSIDE: u32 = u32::MAX - 1;

/// The distinct pre-tokens, one slot for each of their bytes, with a boundary before and after each.
///
/// A symbol writes its id into its first and its last slot, so that both neighbours of a position
/// are found at once, without links.
struct Pieces {
    slots: Vec<u32>,
    /// For each slot, the number of its pre-token.
    piece_of_slot: Vec<u32>,
    counts: Vec<u64>,
}

/// Every pair of symbols that has been neighbours, numbered in the order of appearance.
#[derive(Default)]
struct Pairs {
    numbers: FxHashMap<(u32, u32), u32>,
    symbols: Vec<(u32, u32)>,
    counts: Vec<u64>,
    /// Where each pair stands or has stood: first slots, rising.
    positions: Vec<Vec<u32>>,
}

impl Pairs {
    fn add(&mut self, pair: (u32, u32), count: u64, position: usize) {
        let next = self.symbols.len() as u32;
        let number = *self.numbers.entry(pair).or_insert(next);
        if number == next {
            self.symbols.push(pair);
            self.counts.push(0);
            self.positions.push(Vec::new());
        }
        self.counts[number as usize] += count;
        self.positions[number as usize].push(position as u32);
    }

    fn subtract(&mut self, pair: (u32, u32), count: u64) {
        if let Some(&number) = self.numbers.get(&pair) {
            self.counts[number as usize] -= count;
        }
    }
}

struct Trainer {
    tokens: Vec<Vec<u8>>,
    known: FxHashSet<Vec<u8>>,
    pieces: Pieces,
    pairs: Pairs,
    heap: PairHeap,
}

impl Trainer {
    fn new(counts: &PieceCounts) -> Result<Self, Error> {
        let tokens: Vec<Vec<u8>> = (0..=u8::MAX).map(|byte| vec![byte]).collect();
        let mut pieces = Pieces {
            slots: vec![BOUNDARY],
            piece_of_slot: vec![0],
            counts: Vec::new(),
        };
        let mut pairs = Pairs::default();
        counts.for_each(|piece, count| {
            if piece.len() < 2 {
                return;
            }
            for (index, bytes) in piece.windows(2).enumerate() {
                let pair = (u32::from(bytes[0]), u32::from(bytes[1]));
                pairs.add(pair, count, pieces.slots.len() + index);
            }
            pieces
                .slots
                .extend(piece.iter().map(|&byte| u32::from(byte)));
            pieces.slots.push(BOUNDARY);
            pieces
                .piece_of_slot
                .resize(pieces.slots.len(), pieces.counts.len() as u32);
            pieces.counts.push(count);
        });
        // Positions and symbols are 32 bits wide.
        if pieces.slots.len() > INSIDE as usize {
            return Err(Error::TooManyPreTokens {
                bytes: pieces.slots.len(),
            });
        }
        let known = tokens.iter().cloned().collect();
        let mut trainer = Self {
            tokens,
            known,
            pieces,
            pairs,
            heap: PairHeap::default(),
        };
        trainer.offer_pairs_from(0);
        Ok(trainer)
    }

    /// Put all pairs numbered `first` and above on the heap.
    fn offer_pairs_from(&mut self, first: usize) {
        for pair in first..self.pairs.counts.len() {
            self.offer(pair as u32);
        }
    }

    fn offer(&mut self, pair: u32) {
        let count = self.pairs.counts[pair as usize];
        if count > 0 {
            let is_above = order(&self.tokens, &self.pairs);
            self.heap.push(Candidate { count, pair }, is_above);
        }
    }

    /// Merge the best pair everywhere; `None` when no pair is left.
    fn merge_best_pair(&mut self) -> Option<(u32, u32)> {
        loop {
            let Candidate { count, pair } = self.heap.pop(order(&self.tokens, &self.pairs))?;
            if count != self.pairs.counts[pair as usize] {
                self.offer(pair); // it has fallen since it was put on the heap
                continue;
            }
            let (left, right) = self.pairs.symbols[pair as usize];
            let joined = [
                &self.tokens[left as usize][..],
                &self.tokens[right as usize],
            ]
            .concat();
            if self.known.insert(joined.clone()) {
                self.tokens.push(joined);
                let first_new = self.pairs.counts.len();
                self.merge_everywhere(pair);
                self.offer_pairs_from(first_new);
                return Some((left, right));
            }
        }
    }

    /// Replace a pair by the newest token at each of its positions, from left to right.
    fn merge_everywhere(&mut self, pair: u32) {
        let (left, right) = self.pairs.symbols[pair as usize];
        let merged = self.tokens.len() as u32 - 1;
        let left_length = self.length(left);
        let length = self.length(merged);
        for start in take(&mut self.pairs.positions[pair as usize]) {
            let start = start as usize;
            let (middle, end) = (start + left_length, start + length);
            let slots = &mut self.pieces.slots;
            // One of the two may be part of a larger symbol by now.
            if slots[start] != left || slots[middle] != right {
                continue;
            }
            slots[middle - 1] = INSIDE;
            slots[middle] = INSIDE;
            slots[start] = merged;
            slots[end - 1] = merged;
            let (before, after) = (slots[start - 1], slots[end]);
            let count = self.pieces.counts[self.pieces.piece_of_slot[start] as usize];
            if before != BOUNDARY {
                self.pairs.subtract((before, left), count);
                self.pairs
                    .add((before, merged), count, start - self.length(before));
            }
            if after != BOUNDARY {
                self.pairs.subtract((right, after), count);
                self.pairs.add((merged, after), count, start);
            }
        }
        self.pairs.counts[pair as usize] = 0;
    }

    fn length(&self, symbol: u32) -> usize {
        self.tokens[symbol as usize].len()
    }
}

/// The order of candidates: by count, then by the bytes of both tokens.
fn order<'a>(
    tokens: &'a [Vec<u8>],
    pairs: &'a Pairs,
) -> impl Fn(Candidate, Candidate) -> bool + 'a {
    move |a, b| {
        let by_bytes = || {
            let (a_left, a_right) = pairs.symbols[a.pair as usize];
            let (b_left, b_right) = pairs.symbols[b.pair as usize];
            let of = |symbol: u32| &tokens[symbol as usize];
            of(a_left)
                .cmp(of(b_left))
                .then_with(|| of(a_right).cmp(of(b_right)))
        };
        a.count.cmp(&b.count).then_with(by_bytes) == Ordering::Greater
    }
}

#[cfg(test)]
mod tests;
