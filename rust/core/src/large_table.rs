//! Tables that are looked up at random, in large pages where the system has them.

use std::ops::{Deref, DerefMut};

use crate::memory_hints::{HUGE_PAGE, prefer_huge_pages};

/// Zeros, which cost nothing before they are written to.
pub(crate) struct LargeTable {
    words: Vec<u128>,
    /// Where the table begins: at a large page, if it fills one.
    first: usize,
    length: usize,
}

impl LargeTable {
    /// A table of `length` words.
    pub(crate) fn zeros(length: usize) -> Self {
        let page = HUGE_PAGE / size_of::<u128>();
        let (words, first) = if length < page {
            (vec![0; length], 0)
        } else {
            let words = vec![0; length + page];
            let first = words.as_ptr().align_offset(HUGE_PAGE).min(page);
            (words, first)
        };
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
