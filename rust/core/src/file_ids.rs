//! The ids of a file, a stretch at a time: read, encoded and narrowed by several threads.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::cuts::part_end;
use crate::source::read_range_into;
use crate::workers::share_work;
use crate::{Encoder, Error, Progress, Stage, TextSource};

/// Bytes of text handed to one thread at a time: its ids, before they are narrowed, stay in near caches.
const PART_BYTES: u64 = 256 << 10;

/// An id in as many bytes as the vocabulary needs, the lowest first.
pub trait StoredId: Copy + Send {
    /// The id, which must fit.
    fn narrowed(id: u32) -> Self;
}

impl StoredId for u16 {
    fn narrowed(id: u32) -> Self {
        (id as Self).to_le()
    }
}

impl StoredId for u32 {
    fn narrowed(id: u32) -> Self {
        id.to_le()
    }
}

/// The ids of a stretch of a file.
pub struct FileIds<T> {
    /// The ids.
    pub ids: Vec<T>,
    /// Where the stretch ends in the file.
    pub stop: u64,
}

impl Encoder {
    /// The ids of a file from `start` to the first sure border after `least_bytes`, or to its end.
    ///
    /// Stretch after stretch they are the ids that `encode` gives for the whole file, whose bytes need
    /// not be UTF-8. `num_threads` may be 0, for one for each core.
    pub fn encode_file<T: StoredId>(
        &self,
        path: &Path,
        (start, least_bytes): (u64, u64),
        with_special_tokens: bool,
        num_threads: usize,
        progress: &Progress,
    ) -> Result<FileIds<T>, Error> {
        let source = TextSource::File(path);
        let length = source.length()?;
        let total = length.saturating_sub(start);
        progress.start(Stage::Encoding, total);
        let mut stop = start;
        let parts = std::iter::from_fn(|| {
            if stop >= length || stop - start >= least_bytes {
                return None;
            }
            let (from, specials) = (stop, self.cutting_tokens(with_special_tokens));
            let end = part_end(source, from, length, PART_BYTES, specials, &self.pattern);
            Some(end.map(|end| {
                stop = end;
                (from, end)
            }))
        });
        let joined = Mutex::new(Joined::new(total.min(least_bytes)));
        share_work(
            parts,
            num_threads,
            || (self.workspaces.borrow(), Vec::new(), Vec::new()),
            |(workspace, bytes, ids), number, (from, end)| {
                progress.check()?;
                read_range_into(path, from, end, bytes)?;
                ids.clear();
                self.encode_either(bytes, with_special_tokens, workspace, ids)?;
                let mut joined = joined.lock().unwrap_or_else(PoisonError::into_inner);
                joined.add(number, ids, end - from);
                progress.add(end - from);
                Ok(())
            },
        )?;
        let joined = joined.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(FileIds {
            ids: joined.ids,
            stop,
        })
    }
}

/// The ids of parts that may be finished in any order.
struct Joined<T> {
    ids: Vec<T>,
    num_parts: usize,
    /// Bytes of the text of `ids`, and of the whole.
    bytes: u64,
    total_bytes: u64,
    /// Parts whose turn has not come.
    early: BTreeMap<usize, (Vec<u32>, u64)>,
}

impl<T: StoredId> Joined<T> {
    fn new(total_bytes: u64) -> Self {
        Self {
            ids: Vec::new(),
            num_parts: 0,
            bytes: 0,
            total_bytes,
            early: BTreeMap::new(),
        }
    }

    /// Add the ids of the part with this number, and of those after it that were early.
    fn add(&mut self, number: usize, ids: &[u32], bytes: u64) {
        if number != self.num_parts {
            self.early.insert(number, (ids.to_vec(), bytes));
            return;
        }
        self.append(ids, bytes);
        while let Some((ids, bytes)) = self.early.remove(&self.num_parts) {
            self.append(&ids, bytes);
        }
    }

    fn append(&mut self, ids: &[u32], bytes: u64) {
        self.num_parts += 1;
        self.bytes += bytes;
        if self.ids.capacity() - self.ids.len() < ids.len() {
            // As many as there will be if the text goes on like this, and some more.
            let so_far = (self.ids.len() + ids.len()) as u128;
            let expected = so_far * u128::from(self.total_bytes.max(self.bytes));
            let expected = (expected / u128::from(self.bytes)) as usize;
            self.ids.reserve(expected + expected / 16 - self.ids.len());
        }
        self.ids.extend(ids.iter().map(|&id| T::narrowed(id)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::tests::encoder;

    #[test]
    fn parts_are_joined_in_their_order_whichever_is_first() {
        let part = |number: u32| vec![number; number as usize % 4];
        for step in [1, 3, 7, 9] {
            let mut joined = Joined::<u16>::new(20);
            for index in 0..10 {
                let number = index * step % 10;
                joined.add(number, &part(number as u32), 2);
            }
            let expected: Vec<u16> = (0..10).flat_map(part).map(|id| id as u16).collect();
            assert_eq!(joined.ids, expected);
        }
    }

    #[test]
    fn stretches_of_a_file_have_the_ids_of_the_whole() {
        let (encoder, _) = encoder();
        let text = b"the cat <s>that \xFF sat<s><s> there\n\n ".repeat(9_000);
        let path = std::env::temp_dir().join(format!("nanot-file-ids-{}", std::process::id()));
        std::fs::write(&path, &text).expect("a temporary file");
        for with_special_tokens in [true, false] {
            let expected = encoder.encode(&text, with_special_tokens).expect("GPT-2's");
            for (least_bytes, num_threads) in [(1, 1), (100_000, 2), (u64::MAX, 2)] {
                let (mut start, mut found) = (0, Vec::new());
                while start < text.len() as u64 {
                    let stretch = encoder
                        .encode_file::<u16>(
                            &path,
                            (start, least_bytes),
                            with_special_tokens,
                            num_threads,
                            &Progress::default(),
                        )
                        .expect("the file is there");
                    start = stretch.stop;
                    found.extend(stretch.ids.into_iter().map(u32::from));
                }
                assert!(found == expected);
            }
        }
        std::fs::remove_file(&path).expect("it was there");
    }
}
