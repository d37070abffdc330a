//! The ids of a file, a stretch at a time: read, encoded and narrowed by several threads.

use std::path::Path;

use crate::cuts::{PART_BYTES, part_end};
use crate::source::read_range_into;
use crate::workers::map_in_order;
use crate::{Encoder, Error, Progress, Stage, TextSource};

/// An id in as many bytes as the vocabulary needs.
pub trait StoredId: Copy + Send {
    /// The id, which must fit.
    fn narrowed(id: u32) -> Self;
}

impl StoredId for u16 {
    fn narrowed(id: u32) -> Self {
        id as Self
    }
}

impl StoredId for u32 {
    fn narrowed(id: u32) -> Self {
        id
    }
}

/// The ids of a stretch of a file.
pub struct FileIds<T> {
    /// In order; joined they are the ids of the stretch.
    pub parts: Vec<Vec<T>>,
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
        progress.start(Stage::Encoding, length.saturating_sub(start));
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
        let parts = map_in_order(
            parts,
            num_threads,
            || (self.workspaces.borrow(), Vec::new(), Vec::new()),
            |(workspace, bytes, ids), (from, end)| {
                progress.check()?;
                read_range_into(path, from, end, bytes)?;
                ids.clear();
                self.encode_either(bytes, with_special_tokens, workspace, ids)?;
                progress.add(end - from);
                Ok(ids.iter().map(|&id| T::narrowed(id)).collect())
            },
        )?;
        Ok(FileIds { parts, stop })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::tests::encoder;

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
                    found.extend(stretch.parts.concat().into_iter().map(u32::from));
                }
                assert!(found == expected);
            }
        }
        std::fs::remove_file(&path).expect("it was there");
    }
}
