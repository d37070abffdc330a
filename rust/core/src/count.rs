//! How often each pre-token occurs in texts, counted by several threads.

use rustc_hash::FxHashMap;

use crate::cuts::{PART_BYTES, part_end};
use crate::piece_cache::PieceKey;
use crate::special::{Segment, SpecialTokens};
use crate::workers::share_work;
use crate::{Error, Pattern, Progress, Stage, TextSource, TrainingJob};

/// Distinct pre-tokens with their counts; short ones are packed.
#[derive(Default)]
pub(crate) struct PieceCounts {
    short: FxHashMap<PieceKey, u64>,
    long: FxHashMap<Vec<u8>, u64>,
}

impl PieceCounts {
    /// Count a pre-token `count` times more.
    #[inline]
    pub(crate) fn add(&mut self, piece: &[u8], count: u64) {
        if let Some(key) = PieceKey::pack(piece) {
            *self.short.entry(key).or_default() += count;
        } else if let Some(known) = self.long.get_mut(piece) {
            *known += count;
        } else {
            self.long.insert(piece.to_vec(), count);
        }
    }

    /// Add all counts of `other`; the order in which tables are added makes no difference.
    fn absorb(&mut self, other: Self) {
        for (key, count) in other.short {
            *self.short.entry(key).or_default() += count;
        }
        for (piece, count) in other.long {
            *self.long.entry(piece).or_default() += count;
        }
    }

    /// Call `visit` with each pre-token and its count, in no particular order.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&[u8], u64)) {
        let mut bytes = Vec::new();
        for (key, &count) in &self.short {
            bytes.clear();
            key.unpack(&mut bytes);
            visit(&bytes, count);
        }
        for (piece, &count) in &self.long {
            visit(piece, count);
        }
    }
}

/// Count the pre-tokens between the special tokens of all texts.
pub(crate) fn count_pre_tokens(
    job: &TrainingJob<'_>,
    progress: &Progress,
) -> Result<PieceCounts, Error> {
    let specials = SpecialTokens::new(job.special_tokens.to_vec())?;
    let lengths = job
        .sources
        .iter()
        .map(|source| source.length())
        .collect::<Result<Vec<_>, _>>()?;
    progress.start(Stage::Counting, lengths.iter().sum());
    let parts = Parts {
        sources: job.sources,
        lengths: &lengths,
        specials: &specials,
        pattern: job.pattern,
        start: 0,
    };
    let tables = share_work(
        parts,
        job.num_threads,
        PieceCounts::default,
        |counts, _, part| {
            progress.check()?;
            let bytes = part.source.read(part.start, part.stop)?;
            let text = part.source.decode(&bytes, part.start, job.invalid_utf8)?;
            for segment in specials.segments(&text) {
                if let Segment::Ordinary(stretch) = segment {
                    job.pattern
                        .for_each_piece(stretch, |piece| counts.add(piece, 1))?;
                }
            }
            progress.add(part.stop - part.start);
            Ok(())
        },
    )?;
    let mut tables = tables.into_iter();
    let mut all = tables.next().unwrap_or_default();
    tables.for_each(|table| all.absorb(table));
    Ok(all)
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
