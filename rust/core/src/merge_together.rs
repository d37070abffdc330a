//! Several short pre-tokens merged in turn, so that their waits for memory overlap.

use crate::pair_ranks::EMPTY_PAIR;
use crate::vocabulary::Vocabulary;

/// How many pre-tokens are merged in turn: enough to wait for one while the others go on.
pub(crate) const MOST_TOGETHER: usize = 16;
/// Places in a lane: the lowest pair is looked for among all of them.
const LANE_PLACES: usize = 16;
/// The longest pre-tokens for which this is made; nearly all are.
pub(crate) const LANE_BYTES: usize = LANE_PLACES - 2;

/// Pairs are numbered by rank and then by place, of which there are so many at most.
pub(crate) const MOST_PLACES: usize = 64;
/// The numbers from here on are no pairs.
const NO_PAIR: u32 = u32::MAX - (MOST_PLACES as u32 - 1);

/// A pre-token on its way to its ids, of at most `PLACES - 2` bytes.
///
/// Nothing here depends on data by a branch, but for the end: before the first symbol and after the last
/// stands one that merges with none.
pub(crate) struct Lane<const PLACES: usize> {
    /// From place 1 on, where their bytes were.
    symbols: [u32; PLACES],
    /// The number of the pair of each symbol with the next one.
    pairs: [u32; PLACES],
    /// A bit for each place that has a symbol.
    used: u64,
    /// Pairs that the last merge made, whose ranks are on their way, and their places.
    asked: [(u64, usize); 2],
}

/// The memory of `merge_together`.
#[derive(Default)]
pub(crate) struct Lanes([Lane<LANE_PLACES>; MOST_TOGETHER]);

impl Lanes {
    /// Put in a pre-token of up to `LANE_BYTES` bytes as number `index`.
    pub(crate) fn start(&mut self, index: usize, piece: &[u8], vocabulary: &Vocabulary) {
        self.0[index].start(piece, vocabulary);
    }

    /// Merge the first `count` of what was put in.
    pub(crate) fn merge(&mut self, count: usize, vocabulary: &Vocabulary) {
        let mut unfinished: [usize; MOST_TOGETHER] = std::array::from_fn(|index| index);
        let mut count = count;
        while count > 0 {
            let mut turn = 0;
            while turn < count {
                if self.0[unfinished[turn] % MOST_TOGETHER].step(vocabulary) {
                    turn += 1;
                } else {
                    count -= 1;
                    unfinished[turn] = unfinished[count];
                }
            }
        }
    }

    /// Append the ids of what was number `index`.
    pub(crate) fn append(&self, index: usize, ids: &mut Vec<u32>) {
        self.0[index].append(ids);
    }
}

/// What stands for no symbol; no token has this id.
const NO_SYMBOL: u32 = u32::MAX;

impl<const PLACES: usize> Lane<PLACES> {
    /// Put in a pre-token.
    #[inline]
    pub(crate) fn start(&mut self, piece: &[u8], vocabulary: &Vocabulary) {
        self.symbols[0] = NO_SYMBOL;
        self.pairs = [NO_PAIR; PLACES];
        for (symbol, &byte) in self.symbols[1..].iter_mut().zip(piece) {
            *symbol = vocabulary.byte_id(byte);
        }
        self.symbols[piece.len() + 1] = NO_SYMBOL;
        for (place, pair) in (1..).zip(piece.windows(2)) {
            self.pairs[place] = number(vocabulary.byte_rank(pair[0], pair[1]), place);
        }
        self.used = u64::MAX >> (62 - piece.len());
        self.asked = [(EMPTY_PAIR, 0); 2];
    }

    /// Merge the pair of the lowest rank, the leftmost of equals; `false` when there is none.
    #[inline]
    pub(crate) fn step(&mut self, vocabulary: &Vocabulary) -> bool {
        let [first, second] = self
            .asked
            .map(|(pair, place)| number(vocabulary.rank_asked_for(pair), place));
        // What was just written could not be read at once together with its neighbours.
        let others = self.pairs.iter().copied().min().unwrap_or(NO_PAIR);
        let lowest = others.min(first).min(second);
        self.pairs[self.asked[0].1 % PLACES] = first;
        self.pairs[self.asked[1].1 % PLACES] = second;
        if lowest >= NO_PAIR {
            return false;
        }
        let place = lowest as usize % PLACES; // which divides the steps between ranks
        let swallowed = self.next(place);
        self.used &= !(1 << swallowed);
        let (before, after) = (self.previous(place), self.next(place));
        let merged = vocabulary.merged_id(lowest / MOST_PLACES as u32);
        self.symbols[place] = merged;
        for changed in [before, place, swallowed] {
            self.pairs[changed % PLACES] = NO_PAIR;
        }
        let (left, right) = (self.symbols[before % PLACES], self.symbols[after % PLACES]);
        self.asked = [
            (vocabulary.ask_for_rank(left, merged), before),
            (vocabulary.ask_for_rank(merged, right), place),
        ];
        true
    }

    /// The first used place after this one, which must be followed by one.
    #[inline]
    fn next(&self, place: usize) -> usize {
        place + 1 + (self.used >> (place + 1)).trailing_zeros() as usize
    }

    /// The last used place before this one, which must follow one.
    #[inline]
    fn previous(&self, place: usize) -> usize {
        (self.used & ((1 << place) - 1)).ilog2() as usize
    }

    /// Append the ids.
    pub(crate) fn append(&self, ids: &mut Vec<u32>) {
        let mut place = self.next(0);
        while self.symbols[place] != NO_SYMBOL {
            ids.push(self.symbols[place]);
            place = self.next(place);
        }
    }
}

impl<const PLACES: usize> Default for Lane<PLACES> {
    fn default() -> Self {
        Self {
            symbols: [NO_SYMBOL; PLACES],
            pairs: [NO_PAIR; PLACES],
            used: 0,
            asked: [(EMPTY_PAIR, 0); 2],
        }
    }
}

/// The number of a pair: lower for the one that merges first, and at least `NO_PAIR` without a rank.
#[inline]
fn number(rank: u32, place: usize) -> u32 {
    rank.wrapping_mul(MOST_PLACES as u32) | place as u32
}
