//! Tables that are looked up at random, in large pages where the system has them.

use std::ops::{Deref, DerefMut};

use crate::memory_hints::{HUGE_PAGE, prefer_huge_pages};

const CACHE_LINE: usize = 64;

/// Zeros, which cost nothing before they are written to.
pub(crate) struct LargeTable {
    words: Vec<u128>,
    /// Where the table begins: at a cache line, and at a large page if it fills one.
    first: usize,
    length: usize,
}

impl LargeTable {
    /// A table of `length` words.
    pub(crate) fn zeros(length: usize) -> Self {
        let alignment = if length * size_of::<u128>() < HUGE_PAGE {
            CACHE_LINE
        } else {
            HUGE_PAGE
        };
        let spare = alignment / size_of::<u128>();
        let words = vec![0; length + spare];
        let first = words.as_ptr().align_offset(alignment).min(spare);
        let mut table = Self {
            words,
            first,
            length,
        };
        prefer_huge_pages(&mut table);
        table
    }
}

impl Deref for LargeTable {
    type Target = [u128];

    #[inline]
    fn deref(&self) -> &[u128] {
        &self.words[self.first..self.first + self.length]
    }
}

impl DerefMut for LargeTable {
    fn deref_mut(&mut self) -> &mut [u128] {
        &mut self.words[self.first..self.first + self.length]
    }
}
