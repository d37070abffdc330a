//! Which stretches of text one thread encodes at a time: short documents together, long ones in
//! parts.

use sha2::{Digest, Sha256};

use crate::cuts::part_end;
use crate::documents::{Extent, Extents, for_each_block};
use crate::special::SpecialTokens;
use crate::{Error, Pattern, Progress, TextSource, TokenArraysJob};

/// Bytes of text handed to one thread at a time: its ids stay in near caches, and no thread waits long
/// for another at the end.
const UNIT_BYTES: u64 = 512 << 10;
/// Documents of more bytes are cut.
const LONG_BYTES: u64 = 2 << 20;

/// What one thread encodes at a time.
pub(crate) enum Unit {
    /// Whole documents of one span, close together.
    Documents(Vec<Extent>),
    /// A part of a long document, and the document's hash if it is the first part.
    Part {
        document: Extent,
        start: u64,
        stop: u64,
        first_with_hash: Option<u64>,
    },
}

/// What decides whether a document is written: whether it has text, and its hash.
#[derive(Default)]
pub(crate) struct Identity {
    digest: Sha256,
    has_text: bool,
}

impl Identity {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        // Vertical tab is among the ASCII white space here, unlike in `is_ascii_whitespace`.
        self.has_text |= !bytes
            .iter()
            .all(|byte| matches!(byte, b' ' | b'\t'..=b'\r'));
    }

    /// The content hash of a document that `job` wants written: the first eight bytes of its
    /// SHA-256, little-endian. A blank text is no document.
    pub(crate) fn hash_if_kept(self, job: &TokenArraysJob<'_>) -> Option<u64> {
        let digest: [u8; 32] = self.digest.finalize().into();
        let hash = u64::from_le_bytes(*digest.first_chunk()?);
        let is_held_out = hash < job.held_out_below;
        (self.has_text && is_held_out == job.keep_held_out).then_some(hash)
    }
}

/// Iterator that groups short documents and cuts long ones.
pub(crate) struct Units<'a> {
    job: &'a TokenArraysJob<'a>,
    specials: &'a SpecialTokens,
    pattern: &'a Pattern,
    progress: &'a Progress,
    extents: Extents<'a>,
    /// A document that has been found, but did not fit into the unit before.
    held_back: Option<Extent>,
    long: Option<LongDocument>,
}

/// A long document of which the bytes before `start` have been handed out.
struct LongDocument {
    extent: Extent,
    hash: u64,
    start: u64,
}

impl<'a> Units<'a> {
    pub(crate) fn new(
        job: &'a TokenArraysJob<'a>,
        specials: &'a SpecialTokens,
        pattern: &'a Pattern,
        progress: &'a Progress,
    ) -> Self {
        let extents = Extents::new(job.spans, job.delimiter, progress);
        Self {
            job,
            specials,
            pattern,
            progress,
            extents,
            held_back: None,
            long: None,
        }
    }

    fn next_unit(&mut self) -> Result<Option<Unit>, Error> {
        loop {
            if self.long.is_some() {
                return self.next_part();
            }
            let group = self.next_group()?;
            if !group.is_empty() {
                return Ok(Some(Unit::Documents(group)));
            }
            let Some(extent) = self.held_back.take() else {
                return Ok(None);
            };
            // What stopped an empty group is a long document. It is hashed here and now: whether it is
            // written at all must be known before its first part is.
            let mut identity = Identity::default();
            let path = extent.path(self.job.spans);
            for_each_block(path, extent.start, extent.stop, self.progress, |block| {
                identity.update(block);
            })?;
            let hash = identity.hash_if_kept(self.job);
            self.long = hash.map(|hash| LongDocument {
                extent,
                hash,
                start: extent.start,
            });
        }
    }

    /// Documents of one span that lie within the length of a unit, or one that is not long.
    fn next_group(&mut self) -> Result<Vec<Extent>, Error> {
        let mut group: Vec<Extent> = Vec::new();
        while let Some(extent) = self
            .held_back
            .take()
            .map(Ok)
            .or_else(|| self.extents.next())
        {
            let extent = extent?;
            let (first, most_bytes) = match group.first() {
                Some(first) => (first, UNIT_BYTES),
                None => (&extent, LONG_BYTES),
            };
            if extent.span != first.span || extent.stop - first.start > most_bytes {
                self.held_back = Some(extent);
                break;
            }
            group.push(extent);
        }
        Ok(group)
    }

    fn next_part(&mut self) -> Result<Option<Unit>, Error> {
        let Some(LongDocument {
            extent,
            hash,
            start,
        }) = self.long.take()
        else {
            return Ok(None);
        };
        let source = TextSource::File(extent.path(self.job.spans));
        let stop = part_end(
            source,
            start,
            extent.stop,
            UNIT_BYTES,
            self.specials,
            self.pattern,
        )?;
        if stop < extent.stop {
            self.long = Some(LongDocument {
                extent,
                hash,
                start: stop,
            });
        }
        let first_with_hash = (start == extent.start).then_some(hash);
        Ok(Some(Unit::Part {
            document: extent,
            start,
            stop,
            first_with_hash,
        }))
    }
}

impl Iterator for Units<'_> {
    type Item = Result<Unit, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_unit().transpose()
    }
}
