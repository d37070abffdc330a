//! How merges are learnt: the most frequent pair of neighbours first, with counts kept up to date.
//!
//! All distinct pre-tokens lie in one array of symbols. A merge visits only the positions where its
//! pair stands. Counts of known pairs only fall: every pair that a merge creates holds the new token,
//! so it is complete when the merge is.
//!
//! Most pairs are so rare that they never merge. So only those above a cutoff are kept: when no more
//! of them are left, all symbols are surveyed anew with a lower one.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::ops::Range;

use crate::count::PieceCounts;
use crate::neighbours::{Neighbour, Neighbours};
use crate::pair_queue::{PairQueue, Ranking};
use crate::pair_table::{Pair, PairEntry, PairTable};
use crate::piece_slots::{BOUNDARY, Joining, PLACES_AHEAD, PieceSlots};
use crate::prefetch::prefetch;
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
    let reserved = reserved.iter().map(Vec::as_slice).collect();
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
    let tokens = trainer.tokens;
    Ok(Merges { tokens, pairs })
}

struct Trainer<'a> {
    tokens: Vec<Vec<u8>>,
    lengths: Vec<u32>,
    /// A token for each hash of one.
    token_of_hash: HashMap<u64, u32>,
    reserved: &'a HashSet<&'a [u8]>,
    pieces: PieceSlots,
    pairs: PairTable,
    /// Where the pairs stand or have stood: for each, a stretch of first slots, rising.
    positions: Vec<u32>,
    queue: PairQueue,
    /// What stands before and after the places of the current merge.
    before: Neighbours,
    after: Neighbours,
    tie_break: TieBreak,
    min_count: u64,
    /// Pairs that occur less often are not known.
    cutoff: u64,
    progress: &'a Progress,
}

impl<'a> Trainer<'a> {
    /// A trainer that knows no pairs yet.
    fn new(
        pieces: PieceSlots,
        cutoff: u64,
        reserved: &'a HashSet<&'a [u8]>,
        learning: &Learning,
        progress: &'a Progress,
    ) -> Self {
        let tokens: Vec<Vec<u8>> = (0..=u8::MAX).map(|byte| vec![byte]).collect();
        let min_count = learning.min_frequency.max(1);
        let cutoff = cutoff.max(min_count);
        Self {
            lengths: vec![1; tokens.len()],
            token_of_hash: HashMap::new(),
            reserved,
            tokens,
            pieces,
            pairs: PairTable::default(),
            positions: Vec::new(),
            queue: PairQueue::new(cutoff),
            before: Neighbours::default(),
            after: Neighbours::default(),
            tie_break: learning.tie_break,
            min_count,
            cutoff,
            progress,
        }
    }

    /// Find all pairs that reach the cutoff, where they stand, and put them into a new queue.
    fn survey(&mut self) -> Result<(), Error> {
        let mut all = PairTable::default();
        self.pieces
            .for_each_pair(&self.lengths, self.progress, |pair, count, _| {
                let entry = all.entry(pair);
                entry.count += count;
                entry.length += 1;
            })?;
        let mut pairs = PairTable::default();
        let mut total = 0;
        for entry in all.iter().filter(|entry| entry.count >= self.cutoff) {
            let kept = pairs.entry(entry.pair);
            *kept = *entry;
            kept.first = total;
            total += entry.length as usize;
        }
        drop(all);
        let mut positions = std::mem::take(&mut self.positions);
        positions.clear();
        positions.resize(total, 0);
        self.pieces
            .for_each_pair(&self.lengths, self.progress, |pair, _, position| {
                if let Some(entry) = pairs.get_mut(pair) {
                    positions[entry.first] = position;
                    entry.first += 1;
                }
            })?;
        self.queue = PairQueue::new(self.cutoff);
        for entry in pairs.iter_mut() {
            entry.first -= entry.length as usize;
        }
        self.pairs = pairs;
        self.positions = positions;
        let ranks = Ranks {
            tokens: &self.tokens,
            pairs: &self.pairs,
            tie_break: self.tie_break,
        };
        for entry in self.pairs.iter() {
            self.queue.push(entry.pair, entry.count, &ranks);
        }
        Ok(())
    }

    /// Merge the best pair everywhere; `None` when no pair is left.
    fn merge_best_pair(&mut self) -> Result<Option<(u32, u32)>, Error> {
        loop {
            let ranks = Ranks {
                tokens: &self.tokens,
                pairs: &self.pairs,
                tie_break: self.tie_break,
            };
            let Some(pair) = self.queue.pop(&ranks) else {
                if self.cutoff == self.min_count {
                    return Ok(None);
                }
                self.cutoff = self.min_count.max(self.cutoff / 8);
                self.survey()?;
                continue;
            };
            let (left, right) = pair.symbols();
            let joined = [
                &self.tokens[left as usize][..],
                &self.tokens[right as usize],
            ]
            .concat();
            if !self.is_known(&joined) {
                self.lengths.push(joined.len() as u32);
                self.tokens.push(joined);
                self.merge_everywhere(pair)?;
                return Ok(Some((left, right)));
            }
        }
    }

    /// Whether a token of two bytes and more exists already; if not, it is expected to from now on.
    fn is_known(&mut self, token: &[u8]) -> bool {
        if self.reserved.contains(token) {
            return true;
        }
        let hash = self.token_of_hash.hasher().hash_one(token);
        let next = self.tokens.len() as u32;
        let first = *self.token_of_hash.entry(hash).or_insert(next);
        // Different tokens of one hash are next to impossible, and only the first is on record.
        first != next
            && (self.tokens[first as usize] == token
                || self.tokens.iter().any(|other| other == token))
    }

    /// Replace a pair by the newest token at each of its positions, from left to right.
    fn merge_everywhere(&mut self, pair: Pair) -> Result<(), Error> {
        let Some(entry) = self.pairs.get_mut(pair) else {
            return Ok(());
        };
        let first = entry.first;
        let places = first..first + entry.length as usize;
        let joined = self.tokens.len() as u32 - 1;
        let (left, right) = pair.symbols();
        let joining = Joining {
            pair,
            joined,
            left_length: self.lengths[left as usize] as usize,
            length: self.lengths[joined as usize] as usize,
        };
        self.before.clear(self.tokens.len());
        self.after.clear(self.tokens.len());
        let (before, after) = (&mut self.before, &mut self.after);
        let places = &mut self.positions[places];
        let num_joined =
            self.pieces
                .join(&joining, places, self.progress, |left, right, count| {
                    if left != BOUNDARY {
                        before.add(left, count);
                    }
                    if right != BOUNDARY {
                        after.add(right, count);
                    }
                })?;
        for neighbour in before.list.iter().filter(|other| other.symbol != joined) {
            self.pairs
                .lower(Pair::new(neighbour.symbol, left), neighbour.count);
        }
        for neighbour in &after.list {
            self.pairs
                .lower(Pair::new(right, neighbour.symbol), neighbour.count);
        }
        // What stood after a place was joined in turn where the joined symbol stands before one.
        if let Some(&mut twice) = before.get_mut(joined)
            && let Some(next) = after.get_mut(left)
        {
            next.count -= twice.count;
            next.places -= twice.places;
        }
        self.pairs.take(pair);
        self.enter_new_pairs(joined, first..first + num_joined);
        Ok(())
    }

    /// Make those pairs known that hold the newest token, which begins at `places`.
    fn enter_new_pairs(&mut self, joined: u32, places: Range<usize>) {
        let old_end = self.positions.len();
        let mut end = old_end;
        let mut enter = |neighbour: &mut Neighbour, pair| {
            if neighbour.count >= self.cutoff {
                neighbour.next = Some(end);
                *self.pairs.entry(pair) = PairEntry {
                    pair,
                    count: neighbour.count,
                    first: end,
                    length: neighbour.places,
                };
                end += neighbour.places as usize;
            }
        };
        for other in &mut self.before.list {
            enter(other, Pair::new(other.symbol, joined));
        }
        for other in &mut self.after.list {
            enter(other, Pair::new(joined, other.symbol));
        }
        if end == old_end {
            return;
        }
        self.positions.resize(end, 0);
        self.place_new_pairs(joined, places);
        let ranks = Ranks {
            tokens: &self.tokens,
            pairs: &self.pairs,
            tie_break: self.tie_break,
        };
        for other in self.before.list.iter().filter(|other| other.next.is_some()) {
            let pair = Pair::new(other.symbol, joined);
            self.queue.push(pair, other.count, &ranks);
        }
        for other in self.after.list.iter().filter(|other| other.next.is_some()) {
            let pair = Pair::new(joined, other.symbol);
            self.queue.push(pair, other.count, &ranks);
        }
    }

    /// Note where the new pairs stand.
    fn place_new_pairs(&mut self, joined: u32, places: Range<usize>) {
        let length = self.lengths[joined as usize];
        let slots = &self.pieces.slots;
        for place in places {
            if let Some(&later) = self.positions.get(place + PLACES_AHEAD) {
                prefetch(slots, later as usize);
            }
            let start = self.positions[place];
            let left = slots[start as usize - 1];
            if left != BOUNDARY
                && let Some(next) = self.before.next_place(left)
            {
                self.positions[next] = start - self.lengths[left as usize];
            }
            let right = slots[(start + length) as usize];
            if right != BOUNDARY
                && right != joined
                && let Some(next) = self.after.next_place(right)
            {
                self.positions[next] = start;
            }
        }
    }
}

/// The order in which pairs merge.
struct Ranks<'a> {
    tokens: &'a [Vec<u8>],
    pairs: &'a PairTable,
    tie_break: TieBreak,
}

impl Ranks<'_> {
    fn bytes(&self, symbol: u32) -> &[u8] {
        &self.tokens[symbol as usize]
    }
}

impl Ranking for Ranks<'_> {
    fn count(&self, pair: Pair) -> u64 {
        self.pairs.count(pair)
    }

    fn prefetch(&self, pair: Pair) {
        self.pairs.prefetch(pair);
    }

    fn key(&self, pair: Pair) -> u64 {
        let (left, right) = pair.symbols();
        match self.tie_break {
            // The first bytes of the left token; shorter ones are filled up.
            TieBreak::Bytes => {
                let mut first = [0; 8];
                let bytes = self.bytes(left);
                let length = bytes.len().min(8);
                first[..length].copy_from_slice(&bytes[..length]);
                u64::from_be_bytes(first)
            }
            TieBreak::HuggingFace => {
                !(u64::from(huggingface_id(left)) << 32 | u64::from(huggingface_id(right)))
            }
        }
    }

    fn is_before(&self, a: Pair, b: Pair) -> bool {
        let bytes = |pair: Pair| {
            let (left, right) = pair.symbols();
            (self.bytes(left), self.bytes(right))
        };
        bytes(a) > bytes(b)
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
mod naive;
#[cfg(test)]
mod tests;
