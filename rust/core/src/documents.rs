//! Where the documents lie in spans of files: between delimiters, found by reading once through.

use std::path::Path;

use memchr::memmem::Finder;

use crate::source::{append_range, read_range};
use crate::{Error, Progress, Span};

/// Bytes that are read and searched at a time: they stay in near caches.
const BLOCK_BYTES: u64 = 256 << 10;

/// The place of a document's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Index of the span in which it lies.
    pub(crate) span: usize,
    pub(crate) start: u64,
    pub(crate) stop: u64,
}

impl Extent {
    /// The file it lies in.
    pub(crate) fn path(self, spans: &[Span]) -> &Path {
        &spans[self.span].path
    }

    pub(crate) fn length(self) -> u64 {
        self.stop - self.start
    }
}

/// Iterator over the stretches between delimiters, in order; blank ones are among them, except
/// those without any byte.
pub(crate) struct Extents<'a> {
    spans: &'a [Span],
    delimiter: Option<Finder<'a>>,
    progress: &'a Progress,
    span: usize,
    /// Where the next document of the span begins, and where its end has not been looked for yet.
    start: u64,
    searched: u64,
    /// Bytes of the file from `block_start` on.
    block: Vec<u8>,
    block_start: u64,
    in_span: bool,
}

impl<'a> Extents<'a> {
    pub(crate) fn new(
        spans: &'a [Span],
        delimiter: Option<&'a [u8]>,
        progress: &'a Progress,
    ) -> Self {
        Self {
            spans,
            delimiter: delimiter.filter(|bytes| !bytes.is_empty()).map(Finder::new),
            progress,
            span: 0,
            start: 0,
            searched: 0,
            block: Vec::new(),
            block_start: 0,
            in_span: false,
        }
    }

    fn next_extent(&mut self) -> Result<Option<Extent>, Error> {
        let spans = self.spans;
        while let Some(span) = spans.get(self.span) {
            if !self.in_span {
                self.in_span = true;
                (self.start, self.searched, self.block_start) =
                    (span.start, span.start, span.start);
                self.block.clear();
            }
            let start = self.start;
            let index = self.span;
            let stop = if let Some((first, after)) = self.find_delimiter(span)? {
                (self.start, self.searched) = (after, after);
                first
            } else {
                self.in_span = false;
                self.span += 1;
                span.stop
            };
            if start < stop {
                return Ok(Some(Extent {
                    span: index,
                    start,
                    stop,
                }));
            }
        }
        Ok(None)
    }

    /// The next delimiter of the span with the line break after it, as first and last offset.
    fn find_delimiter(&mut self, span: &Span) -> Result<Option<(u64, u64)>, Error> {
        let Some(finder) = self.delimiter.clone() else {
            return Ok(None);
        };
        let length = finder.needle().len() as u64;
        while self.searched + length <= span.stop {
            self.progress.check()?;
            self.fill(span, self.searched + length)?;
            let from = (self.searched - self.block_start) as usize;
            let Some(found) = finder.find(&self.block[from..]) else {
                // A delimiter may begin in this block and end in the next one.
                self.searched = self.block_start + self.block.len() as u64 - (length - 1);
                continue;
            };
            let start = self.searched + found as u64;
            let stop = start + length;
            self.fill(span, span.stop.min(stop + 2))?;
            let line_break = match &self.block[(stop - self.block_start) as usize..] {
                [b'\n', ..] => 1,
                [b'\r', b'\n', ..] => 2,
                _ => 0,
            };
            return Ok(Some((start, stop + line_break)));
        }
        Ok(None)
    }

    /// Have the bytes up to `needed` in the block, and forget those that were searched.
    fn fill(&mut self, span: &Span, needed: u64) -> Result<(), Error> {
        let loaded = self.block_start + self.block.len() as u64;
        if needed > loaded {
            self.block
                .drain(..(self.searched - self.block_start) as usize);
            self.block_start = self.searched;
            let stop = span.stop.min(needed.max(loaded + BLOCK_BYTES));
            append_range(&span.path, loaded, stop, &mut self.block)?;
        }
        Ok(())
    }
}

impl Iterator for Extents<'_> {
    type Item = Result<Extent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_extent().transpose()
    }
}

/// Call `visit` with the bytes of a file from `start` to `stop`, block by block.
pub(crate) fn for_each_block(
    path: &Path,
    start: u64,
    stop: u64,
    progress: &Progress,
    mut visit: impl FnMut(&[u8]),
) -> Result<(), Error> {
    let mut from = start;
    while from < stop {
        progress.check()?;
        let to = stop.min(from + BLOCK_BYTES);
        visit(&read_range(path, from, to)?);
        from = to;
    }
    Ok(())
}
