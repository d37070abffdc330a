//! How merges are learnt: the most frequent pair of neighbours first, with counts kept up to date.
//!
//! All distinct pre-tokens lie in one array of symbols. A merge visits only the positions where its
//! pair stands; the heap of pairs is lazy, because counts of known pairs only fall: every pair that
//! a merge creates holds the new token, so it is complete when the merge is.

use std::cmp::Ordering;
use std::mem::take;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::count::PieceCounts;
use crate::pair_heap::{Candidate, PairHeap};
use crate::{Error, Progress, Stage};

/// The two tokens that a merge joins.
pub type Merge = (Vec<u8>, Vec<u8>);

/// Which of several equally frequent pairs merges first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TieBreak {
    /// The greatest pair of byte strings.
    Bytes,
    /// The lowest pair of ids, as in Hugging Face's trainer, where single bytes are numbered in the
    /// order of the characters that GPT-2's files write them with.
    HuggingFace,
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
) -> Result<Vec<Merge>, Error> {
    progress.start(Stage::Merging, learning.num_merges as u64);
    let mut trainer = Trainer::new(counts, reserved, learning, progress)?;
    let mut merges = Vec::new();
    while merges.len() < learning.num_merges {
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
    tie_break: TieBreak,
    min_count: u64,
}

impl Trainer {
    fn new(
        counts: &PieceCounts,
        reserved: &[Vec<u8>],
        learning: &Learning,
        progress: &Progress,
    ) -> Result<Self, Error> {
        let tokens: Vec<Vec<u8>> = (0..=u8::MAX).map(|byte| vec![byte]).collect();
        let mut pieces = Pieces {
            slots: vec![BOUNDARY],
            piece_of_slot: vec![0],
            counts: Vec::new(),
        };
        let mut pairs = Pairs::default();
        let mut all_pairs: u128 = 0;
        counts.for_each(|piece, count| {
            if piece.len() < 2 || progress.check().is_err() {
                return;
            }
            all_pairs += u128::from(count) * piece.len() as u128;
            if all_pairs > u128::from(u64::MAX) {
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
        progress.check()?;
        // No count of a pair can be larger than that of all of them.
        if all_pairs > u128::from(u64::MAX) {
            return Err(Error::CountsTooLarge);
        }
        // Positions and symbols are 32 bits wide.
        if pieces.slots.len() > INSIDE as usize {
            return Err(Error::TooManyPreTokens {
                bytes: pieces.slots.len(),
            });
        }
        let known = tokens.iter().chain(reserved).cloned().collect();
        let mut trainer = Self {
            tokens,
            known,
            pieces,
            pairs,
            heap: PairHeap::default(),
            tie_break: learning.tie_break,
            min_count: learning.min_frequency.max(1),
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
        if count >= self.min_count {
            let is_above = order(&self.tokens, &self.pairs, self.tie_break);
            self.heap.push(Candidate { count, pair }, is_above);
        }
    }

    /// Merge the best pair everywhere; `None` when no pair is left.
    fn merge_best_pair(&mut self) -> Option<(u32, u32)> {
        loop {
            let Candidate { count, pair } =
                self.heap
                    .pop(order(&self.tokens, &self.pairs, self.tie_break))?;
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

/// The order of candidates: by count, then by the rule for ties.
fn order<'a>(
    tokens: &'a [Vec<u8>],
    pairs: &'a Pairs,
    tie_break: TieBreak,
) -> impl Fn(Candidate, Candidate) -> bool + 'a {
    move |a, b| {
        let by_rule = || {
            let (a_left, a_right) = pairs.symbols[a.pair as usize];
            let (b_left, b_right) = pairs.symbols[b.pair as usize];
            match tie_break {
                TieBreak::Bytes => {
                    let of = |symbol: u32| &tokens[symbol as usize];
                    of(a_left)
                        .cmp(of(b_left))
                        .then_with(|| of(a_right).cmp(of(b_right)))
                }
                TieBreak::HuggingFace => {
                    let a = (huggingface_id(a_left), huggingface_id(a_right));
                    let b = (huggingface_id(b_left), huggingface_id(b_right));
                    b.cmp(&a)
                }
            }
        };
        a.count.cmp(&b.count).then_with(by_rule) == Ordering::Greater
    }
}

/// The number Hugging Face's trainer gives a symbol, special tokens aside.
///
/// GPT-2's files write printable bytes of Latin-1 as themselves, and the others, in order, as
/// characters above all of them.
fn huggingface_id(symbol: u32) -> u32 {
    match symbol {
        0..=32 => symbol + 188,
        33..=126 => symbol - 33,
        127..=160 => symbol - 127 + 221,
        161..=172 => symbol - 161 + 94,
        173 => 255,
        174..=255 => symbol - 174 + 106,
        merged => merged,
    }
}

#[cfg(test)]
mod tests;
