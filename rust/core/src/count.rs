//! How often each pre-token occurs in texts, counted by several threads.

use std::collections::HashMap;

use crate::cuts::part_end;
use crate::fold_hash::FoldHash;
use crate::piece_key::PieceKey;
use crate::piece_table::PieceTable;
use crate::special::{Segment, SpecialTokens};
use crate::train::{Learning, Merges, learn_merges};
use crate::workers::share_work;
use crate::{Error, InvalidUtf8, Pattern, Progress, Stage, TextSource};

/// Bytes of text handed to one thread at a time.
pub(crate) const PART_BYTES: u64 = 2 << 20;

/// Distinct pre-tokens with their counts; short ones are packed.
#[derive(Default)]
pub(crate) struct PieceCounts {
    short: PieceTable,
    /// Long pre-tokens, and the empty one.
    long: HashMap<Box<[u8]>, u64, FoldHash>,
}

impl PieceCounts {
    /// Count a pre-token `count` times more.
    pub(crate) fn add(&mut self, piece: &[u8], count: u64) {
        match PieceKey::of(piece, 0, piece.len()) {
            Some(key) if !piece.is_empty() => self.short.add(key, count),
            _ => self.add_long(piece, count),
        }
    }

    fn add_long(&mut self, piece: &[u8], count: u64) {
        if let Some(known) = self.long.get_mut(piece) {
            *known = known.saturating_add(count);
        } else {
            self.long.insert(piece.into(), count);
        }
    }

    /// Count every pre-token of `text` once more.
    fn count_text(&mut self, text: &[u8], pattern: &Pattern) -> Result<(), Error> {
        let counted =
            pattern.for_each_range(text, |start, end| match PieceKey::of(text, start, end) {
                Some(key) => self.short.count(key),
                None => self.add_long(&text[start..end], 1),
            });
        self.short.settle();
        counted
    }

    /// Add all counts of `other`; the order in which tables are added makes no difference.
    fn absorb(&mut self, mut other: Self) {
        // The smaller table goes into the larger one.
        if self.short.len() < other.short.len() {
            std::mem::swap(self, &mut other);
        }
        self.short.absorb(&other.short);
        for (piece, count) in other.long {
            let known = self.long.entry(piece).or_default();
            *known = known.saturating_add(count);
        }
    }

    /// Call `visit` with each pre-token and its count, in no particular order.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&[u8], u64)) {
        let mut bytes = Vec::new();
        for (key, count) in self.short.iter() {
            bytes.clear();
            key.unpack(&mut bytes);
            visit(&bytes, count);
        }
        for (piece, &count) in &self.long {
            visit(piece, count);
        }
    }
}

/// Counts the pre-tokens between special tokens, text after text.
///
/// The counts do not depend on the order of texts, on the number of threads or on how a corpus is
/// divided among counters whose counts are added up.
pub struct PreTokenCounter {
    pattern: Pattern,
    specials: SpecialTokens,
    counts: PieceCounts,
}

impl PreTokenCounter {
    /// A counter that has seen nothing yet.
    pub fn new(pattern: Pattern, special_tokens: Vec<Vec<u8>>) -> Result<Self, Error> {
        Ok(Self {
            pattern,
            specials: SpecialTokens::new(special_tokens)?,
            counts: PieceCounts::default(),
        })
    }

    /// Count all pre-tokens of `sources`, each of which stands by itself; after an error, none.
    ///
    /// `num_threads` may be 0, for one for each core.
    pub fn count(
        &mut self,
        sources: &[TextSource<'_>],
        invalid_utf8: InvalidUtf8,
        num_threads: usize,
        progress: &Progress,
    ) -> Result<(), Error> {
        let lengths = sources
            .iter()
            .map(|source| source.length())
            .collect::<Result<Vec<_>, _>>()?;
        progress.start(Stage::Counting, lengths.iter().sum());
        let parts = Parts {
            sources,
            lengths: &lengths,
            specials: &self.specials,
            pattern: &self.pattern,
            start: 0,
        };
        let tables = share_work(
            parts,
            num_threads,
            PieceCounts::default,
            |counts, _, part| {
                progress.check()?;
                let bytes = part.source.read(part.start, part.stop)?;
                let text = part.source.decode(&bytes, part.start, invalid_utf8)?;
                for segment in self.specials.segments(&text) {
                    if let Segment::Ordinary(stretch) = segment {
                        counts.count_text(stretch, &self.pattern)?;
                    }
                }
                progress.add(part.stop - part.start);
                Ok(())
            },
        )?;
        for table in tables {
            self.counts.absorb(table);
        }
        Ok(())
    }

    /// Count a pre-token `count` times more; a sum beyond 64 bits stays at their largest number.
    pub fn add(&mut self, piece: &[u8], count: u64) {
        self.counts.add(piece, count);
    }

    /// Every pre-token with its count, in the order of their bytes.
    #[must_use]
    pub fn items(&self) -> Vec<(Vec<u8>, u64)> {
        let mut items = Vec::new();
        self.counts
            .for_each(|piece, count| items.push((piece.to_vec(), count)));
        items.sort_unstable();
        items
    }

    /// Learn merges from what has been counted, in the order in which they apply.
    pub fn learn_merges(&self, learning: &Learning, progress: &Progress) -> Result<Merges, Error> {
        learn_merges(&self.counts, self.specials.tokens(), learning, progress)
    }
}

/// A part of a text that can be counted by itself.
struct Part<'a> {
    source: TextSource<'a>,
    start: u64,
    stop: u64,
}

/// Iterator over the parts of all texts.
struct Parts<'a> {
    sources: &'a [TextSource<'a>],
    lengths: &'a [u64],
    specials: &'a SpecialTokens,
    pattern: &'a Pattern,
    start: u64,
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<Part<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (&source, &length) = (self.sources.first()?, self.lengths.first()?);
            if self.start < length {
                let start = self.start;
                let end = part_end(
                    source,
                    start,
                    length,
                    PART_BYTES,
                    self.specials,
                    self.pattern,
                );
                return Some(end.map(|stop| {
                    self.start = stop;
                    Part {
                        source,
                        start,
                        stop,
                    }
                }));
            }
            self.sources = &self.sources[1..];
            self.lengths = &self.lengths[1..];
            self.start = 0;
        }
    }
}
