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

use crate::memory_hints::{fill, prefetch};
use crate::merge_order::{MergeOrder, TieBreak};
use crate::neighbours::{Neighbour, Neighbours};
use crate::pair_queue::PairQueue;
use crate::pair_table::{Pair, PairEntry, PairTable};
use crate::piece_slots::{BOUNDARY, Joining, PLACES_AHEAD, PieceSlots};
use crate::train::Learning;
use crate::{Error, Progress};

/// What is known while merges are learnt.
pub(crate) struct Trainer<'a> {
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
    pub(crate) fn new(
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
    pub(crate) fn survey(&mut self) -> Result<(), Error> {
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
        fill(&mut positions, 0, total);
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
        let order = MergeOrder::new(&self.tokens, &self.pairs, self.tie_break);
        for entry in self.pairs.iter() {
            self.queue.push(entry.pair, entry.count, &order);
        }
        Ok(())
    }

    /// Merge the best pair everywhere; `None` when no pair is left.
    pub(crate) fn merge_best_pair(&mut self) -> Result<Option<(u32, u32)>, Error> {
        loop {
            let order = MergeOrder::new(&self.tokens, &self.pairs, self.tie_break);
            let Some(pair) = self.queue.pop(&order) else {
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

    /// The single bytes, then what each merge has made.
    pub(crate) fn into_tokens(self) -> Vec<Vec<u8>> {
        self.tokens
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
        let order = MergeOrder::new(&self.tokens, &self.pairs, self.tie_break);
        for other in self.before.list.iter().filter(|other| other.next.is_some()) {
            let pair = Pair::new(other.symbol, joined);
            self.queue.push(pair, other.count, &order);
        }
        for other in self.after.list.iter().filter(|other| other.next.is_some()) {
            let pair = Pair::new(joined, other.symbol);
            self.queue.push(pair, other.count, &order);
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
