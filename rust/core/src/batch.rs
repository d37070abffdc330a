//! Many texts at a time: encoded and decoded by several threads, the results in order.

use std::ops::Range;

use crate::cuts::part_end;
use crate::encode::Encoder;
use crate::memory_hints::prefer_huge_pages;
use crate::workers::map_in_order;
use crate::{Error, Progress, Stage, TextSource};

/// Bytes of text, or of ids, that a thread works on at a time.
const UNIT_BYTES: usize = 256 << 10;

/// The ids of several texts in one array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlatIds {
    /// The ids of all texts.
    pub ids: Vec<u32>,
    /// Where each text's ids begin, and the end of the last.
    pub offsets: Vec<usize>,
}

impl FlatIds {
    /// The ids of each text.
    #[must_use]
    pub fn texts(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        self.offsets
            .windows(2)
            .map(|pair| &self.ids[pair[0]..pair[1]])
    }
}

/// Texts, or a part of a long one, for one thread.
struct Unit {
    texts: Range<usize>,
    /// Bytes of the only text, where the unit is not the whole of it.
    part: Option<Range<usize>>,
}

impl Encoder {
    /// The ids of each of `texts`, as `encode` gives them, whatever the number of threads.
    ///
    /// A long text is cut at sure borders, so that several threads can share it; without special
    /// tokens none of them cuts it.
    pub fn encode_batch(
        &self,
        texts: &[&[u8]],
        with_special_tokens: bool,
        num_threads: usize,
        progress: &Progress,
    ) -> Result<FlatIds, Error> {
        let total: usize = texts.iter().map(|text| text.len()).sum();
        progress.start(Stage::Encoding, total as u64);
        let units = Units {
            encoder: self,
            texts,
            with_special_tokens,
            next: 0,
            start: 0,
        };
        let mut encoded = map_in_order(
            units,
            if total < UNIT_BYTES { 1 } else { num_threads },
            || self.workspaces.borrow(),
            |workspace, unit| {
                progress.check()?;
                let mut ids = Vec::new();
                let mut ends = Vec::with_capacity(unit.texts.len());
                let mut bytes = 0;
                for index in unit.texts.clone() {
                    let part = unit.part.clone().unwrap_or(0..texts[index].len());
                    bytes += part.len();
                    let text = &texts[index][part];
                    self.encode_either(text, with_special_tokens, workspace, &mut ids)?;
                    ends.push(ids.len());
                }
                progress.add(bytes as u64);
                Ok((unit.texts, ids, ends))
            },
        )?;
        let mut flat = FlatIds {
            ids: Vec::new(),
            offsets: vec![0; texts.len() + 1],
        };
        if let [(indices, ids, ends)] = &mut encoded[..] {
            // The only unit's ids are those of all texts.
            debug_assert_eq!(indices.len(), texts.len());
            flat.offsets[1..].copy_from_slice(ends);
            flat.ids = std::mem::take(ids);
            return Ok(flat);
        }
        flat.ids
            .reserve_exact(encoded.iter().map(|(_, ids, _)| ids.len()).sum());
        prefer_huge_pages(flat.ids.spare_capacity_mut());
        for (indices, ids, ends) in encoded {
            for (index, end) in indices.zip(ends) {
                flat.offsets[index + 1] = flat.ids.len() + end;
            }
            flat.ids.extend(ids);
        }
        Ok(flat)
    }

    /// The bytes of each list of ids, joined.
    pub fn decode_batch(
        &self,
        batches: &[Vec<u32>],
        num_threads: usize,
        progress: &Progress,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let total: usize = batches.iter().map(Vec::len).sum();
        progress.start(Stage::Decoding, total as u64);
        map_in_order(
            batches.iter().map(Ok),
            if total < UNIT_BYTES { 1 } else { num_threads },
            || (),
            |(), ids| {
                progress.check()?;
                progress.add(ids.len() as u64);
                self.decode(ids)
            },
        )
    }
}

/// Iterator over the units of all texts.
struct Units<'a> {
    encoder: &'a Encoder,
    texts: &'a [&'a [u8]],
    with_special_tokens: bool,
    next: usize,
    /// Where the part of the next text begins that has not been handed out.
    start: usize,
}

impl Units<'_> {
    /// The next part of the long text whose turn it is.
    fn next_part(&mut self) -> Result<Unit, Error> {
        let index = self.next;
        let text = self.texts[index];
        let start = self.start;
        let specials = self.encoder.cutting_tokens(self.with_special_tokens);
        let stop = part_end(
            TextSource::Memory(text, index + 1),
            start as u64,
            text.len() as u64,
            UNIT_BYTES as u64,
            specials,
            &self.encoder.pattern,
        )? as usize;
        if stop == text.len() {
            self.next += 1;
            self.start = 0;
        } else {
            self.start = stop;
        }
        Ok(Unit {
            texts: index..index + 1,
            part: Some(start..stop),
        })
    }
}

impl Iterator for Units<'_> {
    type Item = Result<Unit, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = self.next;
        if self.texts.get(first)?.len() > UNIT_BYTES {
            return Some(self.next_part());
        }
        let mut bytes = 0;
        while let Some(text) = self.texts.get(self.next)
            && text.len() <= UNIT_BYTES
            && (self.next == first || bytes + text.len() <= UNIT_BYTES)
        {
            bytes += text.len() + 64; // an empty text is some work too
            self.next += 1;
        }
        Some(Ok(Unit {
            texts: first..self.next,
            part: None,
        }))
    }
}

#[cfg(test)]
mod tests;
