//! Which symbols stand beside the places of one merge, and how often.

/// A symbol on one side of a merged pair.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neighbour {
    pub(crate) symbol: u32,
    /// How many places there are, and which share of the array of positions is left for them.
    pub(crate) places: u32,
    pub(crate) next: Option<usize>,
    /// Sum of the counts of the pre-tokens that they are in.
    pub(crate) count: u64,
}

/// Found at once by symbol, and forgotten in as many steps as there are.
#[derive(Default)]
pub(crate) struct Neighbours {
    /// For each symbol, its number in the list from 1, or 0.
    numbers: Vec<u32>,
    pub(crate) list: Vec<Neighbour>,
}

impl Neighbours {
    /// Forget all, and make room for symbols below `num_symbols`.
    pub(crate) fn clear(&mut self, num_symbols: usize) {
        for neighbour in self.list.drain(..) {
            self.numbers[neighbour.symbol as usize] = 0;
        }
        self.numbers.resize(num_symbols, 0);
    }

    /// Count a place.
    #[inline]
    pub(crate) fn add(&mut self, symbol: u32, count: u64) {
        let number = &mut self.numbers[symbol as usize];
        if *number == 0 {
            self.list.push(Neighbour {
                symbol,
                places: 0,
                next: None,
                count: 0,
            });
            *number = self.list.len() as u32;
        }
        let neighbour = &mut self.list[*number as usize - 1];
        neighbour.places += 1;
        neighbour.count += count;
    }

    /// What is known of a symbol.
    #[inline]
    pub(crate) fn get_mut(&mut self, symbol: u32) -> Option<&mut Neighbour> {
        let number = self.numbers[symbol as usize] as usize;
        self.list.get_mut(number.wrapping_sub(1))
    }

    /// Take the next of the positions that are left for a symbol.
    #[inline]
    pub(crate) fn next_place(&mut self, symbol: u32) -> Option<usize> {
        let next = self.get_mut(symbol)?.next.as_mut()?;
        *next += 1;
        Some(*next - 1)
    }
}
