//! The distinct pre-tokens in one array of symbols, where both neighbours of a symbol are at hand.

use rustc_hash::FxHashMap;

use crate::count::PieceCounts;
use crate::memory_hints::{fill, prefetch};
use crate::pair_table::Pair;
use crate::{Error, Progress};

/// Marks the slots between pre-tokens.
pub(crate) const BOUNDARY: u32 = u32::MAX;
/// Marks the slots inside a symbol, where none begins or ends.
const INSIDE: u32 = u32::MAX - 1;
/// How many places ahead the memory of one is asked for.
pub(crate) const PLACES_AHEAD: usize = 12;
/// How many steps lie between one look for cancellation and the next.
const STEPS_UNCHECKED: usize = 1 << 20;

/// One slot for each byte, with a boundary before and after each pre-token.
///
/// A symbol writes its id into its first and its last slot, so that both neighbours of a position
/// are found at once, without links. The most frequent pre-tokens come first, and those of one
/// count form a group, which is why the counts of rising positions are found in a few steps.
pub(crate) struct PieceSlots {
    pub(crate) slots: Vec<u32>,
    /// First slot of each group, and its count; one more for the end.
    groups: Vec<(u32, u64)>,
    /// How many symbols all pre-tokens had at first.
    pub(crate) num_symbols: u64,
}

impl PieceSlots {
    /// Lay out all pre-tokens in which something can merge.
    pub(crate) fn new(counts: &PieceCounts, progress: &Progress) -> Result<Self, Error> {
        // How many slots each count takes, then where the next pre-token of that count goes.
        let mut sizes: FxHashMap<u64, usize> = FxHashMap::default();
        let mut all_symbols: u128 = 0;
        counts.for_each(|piece, count| {
            if piece.len() > 1 && count > 0 && progress.check().is_ok() {
                all_symbols += u128::from(count) * piece.len() as u128;
                *sizes.entry(count).or_default() += piece.len() + 1;
            }
        });
        progress.check()?;
        // No count of a pair can be larger than that of all symbols.
        if all_symbols > u128::from(u64::MAX) {
            return Err(Error::CountsTooLarge);
        }
        let bytes = 1 + sizes.values().sum::<usize>();
        // Positions and symbols are 32 bits wide.
        if bytes > INSIDE as usize {
            return Err(Error::TooManyPreTokens { bytes });
        }
        let mut groups: Vec<(u32, u64)> = sizes.keys().map(|&count| (0, count)).collect();
        groups.sort_unstable_by_key(|&(_, count)| std::cmp::Reverse(count));
        let mut next = 1;
        for (first, count) in &mut groups {
            *first = next as u32;
            next += sizes.insert(*count, next).unwrap_or_default();
        }
        groups.push((u32::MAX, 0));
        let mut slots = Vec::new();
        fill(&mut slots, BOUNDARY, bytes);
        counts.for_each(|piece, count| {
            if piece.len() > 1
                && progress.check().is_ok()
                && let Some(next) = sizes.get_mut(&count)
            {
                for (slot, &byte) in slots[*next..].iter_mut().zip(piece) {
                    *slot = u32::from(byte);
                }
                *next += piece.len() + 1;
            }
        });
        progress.check()?;
        Ok(Self {
            slots,
            groups,
            num_symbols: all_symbols as u64,
        })
    }

    /// Call `visit` with every pair of neighbours, its count there and its first slot, in order.
    pub(crate) fn for_each_pair(
        &self,
        lengths: &[u32],
        progress: &Progress,
        mut visit: impl FnMut(Pair, u64, u32),
    ) -> Result<(), Error> {
        let slots = &self.slots;
        let mut counts = CountCursor::new(&self.groups);
        let (mut position, mut check_at) = (1, 0);
        while position < slots.len() {
            if position >= check_at {
                progress.check()?;
                check_at = position + STEPS_UNCHECKED;
            }
            let left = slots[position];
            if left == BOUNDARY {
                position += 1;
                continue;
            }
            let next = position + lengths[left as usize] as usize;
            if slots[next] != BOUNDARY {
                let pair = Pair::new(left, slots[next]);
                visit(pair, counts.at(position), position as u32);
            }
            position = next;
        }
        Ok(())
    }

    /// Replace a pair by `joined` wherever it still stands among `positions`, which rise.
    ///
    /// `visit` is called with the symbols before and after each such place and its count. The
    /// places are moved to the front of `positions`; returned is how many there are.
    pub(crate) fn join(
        &mut self,
        joining: &Joining,
        positions: &mut [u32],
        progress: &Progress,
        mut visit: impl FnMut(u32, u32, u64),
    ) -> Result<usize, Error> {
        let (left, right) = joining.pair.symbols();
        let slots = &mut self.slots;
        let mut counts = CountCursor::new(&self.groups);
        let mut kept = 0;
        for index in 0..positions.len() {
            if index % STEPS_UNCHECKED == 0 {
                progress.check()?;
            }
            if let Some(&later) = positions.get(index + PLACES_AHEAD) {
                prefetch(slots, later as usize);
            }
            let start = positions[index] as usize;
            let (middle, end) = (start + joining.left_length, start + joining.length);
            // One of the two may be part of a larger symbol by now.
            if slots[start] != left || slots[middle] != right {
                continue;
            }
            slots[middle - 1] = INSIDE;
            slots[middle] = INSIDE;
            slots[start] = joining.joined;
            slots[end - 1] = joining.joined;
            visit(slots[start - 1], slots[end], counts.at(start));
            positions[kept] = start as u32;
            kept += 1;
        }
        Ok(kept)
    }
}

/// A pair and the symbol that takes its place.
pub(crate) struct Joining {
    pub(crate) pair: Pair,
    pub(crate) joined: u32,
    /// Bytes of the left one and of both.
    pub(crate) left_length: usize,
    pub(crate) length: usize,
}

/// Finds the counts of positions that only rise.
struct CountCursor<'a> {
    groups: &'a [(u32, u64)],
    group: usize,
}

impl<'a> CountCursor<'a> {
    fn new(groups: &'a [(u32, u64)]) -> Self {
        Self { groups, group: 0 }
    }

    /// Count of the pre-token at `position`, which is not below those asked for before.
    #[inline]
    fn at(&mut self, position: usize) -> u64 {
        if self.groups[self.group + 1].0 as usize <= position {
            self.advance(position);
        }
        self.groups[self.group].1
    }

    #[cold]
    fn advance(&mut self, position: usize) {
        let mut step = 1;
        while self
            .groups
            .get(self.group + step)
            .is_some_and(|&(first, _)| first as usize <= position)
        {
            self.group += step;
            step *= 2;
        }
        let near = &self.groups[self.group..self.groups.len().min(self.group + step)];
        self.group += near.partition_point(|&(first, _)| first as usize <= position) - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::tests::random_numbers;

    #[test]
    fn every_position_finds_the_count_of_its_pre_token() {
        let mut random = random_numbers(2);
        let mut counts = PieceCounts::default();
        let mut expected = Vec::new();
        for number in 0..3_000_u32 {
            let count = 1 + random(if number % 2 == 0 { 5 } else { 100_000 }) as u64;
            counts.add(&number.to_be_bytes(), count);
            expected.push((number, count));
        }
        let progress = Progress::default();
        let pieces = PieceSlots::new(&counts, &progress).expect("few");
        let mut firsts = Vec::new();
        let visit = |pair: Pair, count, position: u32| firsts.push((pair, count, position));
        pieces
            .for_each_pair(&[1; 256], &progress, visit)
            .expect("no one cancels");
        assert_eq!(firsts.len(), 3 * 3_000);
        let mut found = Vec::new();
        for three in firsts.as_chunks::<3>().0 {
            let [(first, count, _), _, (last, _, _)] = *three;
            let ((a, b), (c, d)) = (first.symbols(), last.symbols());
            found.push((a << 24 | b << 16 | c << 8 | d, count));
        }
        assert!(found.is_sorted_by_key(|&(_, count)| std::cmp::Reverse(count)));
        // However far apart the positions are, and whichever are left out.
        for _ in 0..300 {
            let mut cursor = CountCursor::new(&pieces.groups);
            let mut index = 0;
            while let Some(&(_, count, position)) = firsts.get(index) {
                assert_eq!(cursor.at(position as usize), count);
                let step = [1, 10, 2_000, 9_000][random(4)];
                index += 1 + random(step);
            }
        }
        found.sort_unstable();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_pair_is_joined_where_it_still_stands() {
        let mut counts = PieceCounts::default();
        counts.add(b"xababay", 3);
        let progress = Progress::default();
        let mut pieces = PieceSlots::new(&counts, &progress).expect("few");
        let joining = Joining {
            pair: Pair::new(u32::from(b'a'), u32::from(b'b')),
            joined: 256,
            left_length: 1,
            length: 2,
        };
        // At 3 stands a `b`; the pair at 2 is joined once.
        let mut positions = [2, 2, 3, 4];
        let mut seen = Vec::new();
        let visit = |before, after, count| seen.push((before, after, count));
        let joined = pieces.join(&joining, &mut positions, &progress, visit);
        assert_eq!(joined.expect("no one cancels"), 2);
        assert_eq!(positions[..2], [2, 4]);
        let [a, x] = [b'a', b'x'].map(u32::from);
        assert_eq!(seen, [(x, a, 3), (256, a, 3)]);
        let mut left = Vec::new();
        let mut lengths = vec![1; 257];
        lengths[256] = 2;
        pieces
            .for_each_pair(&lengths, &progress, |pair, _, at| {
                left.push((pair.symbols(), at));
            })
            .expect("no one cancels");
        let y = u32::from(b'y');
        assert_eq!(
            left,
            [((x, 256), 1), ((256, 256), 2), ((256, a), 4), ((a, y), 6)]
        );
    }
}
