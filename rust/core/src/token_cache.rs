//! How the documents of files become the two arrays of a token cache, in parallel and in order.

use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};

use crate::cuts::{PART_BYTES, part_end};
use crate::documents::{Extent, Extents, for_each_block};
use crate::encode::Workspace;
use crate::ordered_output::{DocumentRow, EncodedUnit, OrderedOutput};
use crate::source::read_range;
use crate::workers::share_work;
use crate::{Encoder, Error, InvalidUtf8, Progress, Stage, TextSource};

/// A stretch of a file, in bytes.
#[derive(Clone, Debug)]
pub struct Span {
    /// The file.
    pub path: PathBuf,
    /// First byte.
    pub start: u64,
    /// The byte after the last.
    pub stop: u64,
}

/// What to encode, and where to.
#[derive(Clone, Copy, Debug)]
pub struct TokenArraysJob<'a> {
    /// Where the documents are.
    pub spans: &'a [Span],
    /// The .npy file of all tokens.
    pub tokens_path: &'a Path,
    /// The .npy file with one row a document.
    pub documents_path: &'a Path,
    /// What stands between documents; without it each span is one document.
    pub delimiter: Option<&'a [u8]>,
    /// What to do about malformed UTF-8.
    pub invalid_utf8: InvalidUtf8,
    /// Documents whose content hash is below this are held out.
    pub held_out_below: u64,
    /// Write the documents that are held out instead of the others.
    pub keep_held_out: bool,
    /// 0 means one for each core; the files do not depend on it.
    pub num_threads: usize,
}

/// How much was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Number of tokens.
    pub tokens: u64,
    /// Number of documents.
    pub documents: u64,
}

/// Encode all documents of `job` and write both files.
///
/// Each document begins with the delimiter's id when that is a special token. Memory holds a few
/// MiB a thread, or the longest stretch of text without white space.
pub fn write_token_arrays(
    encoder: &Encoder,
    job: &TokenArraysJob<'_>,
    progress: &Progress,
) -> Result<Written, Error> {
    let total = job
        .spans
        .iter()
        .map(|span| span.stop.saturating_sub(span.start))
        .sum();
    progress.start(Stage::Encoding, total);
    let id_bytes = if encoder.vocabulary.largest_id() < 1 << 16 {
        2
    } else {
        4
    };
    let output = OrderedOutput::create(job.tokens_path, job.documents_path, id_bytes)?;
    let task = Task {
        encoder,
        job,
        progress,
        sources: number_sources(job.spans),
        delimiter_id: job
            .delimiter
            .and_then(|delimiter| encoder.special_id(delimiter)),
    };
    let units = Units {
        task: &task,
        extents: Extents::new(job.spans, job.delimiter, progress),
        held_back: None,
        long: None,
    };
    share_work(
        units,
        job.num_threads,
        Workspace::new,
        |workspace, number, unit| {
            let turn = output.turn(number);
            progress.check()?;
            let mut unit_output = EncodedUnit::default();
            let done_bytes = task.encode_unit(unit, workspace, &mut unit_output)?;
            turn.write(&unit_output)?;
            progress.add(done_bytes);
            Ok(())
        },
    )?;
    let written = output.finish()?;
    progress.finish();
    Ok(written)
}

/// For each span, the index of its path among the distinct paths in order of first appearance.
fn number_sources(spans: &[Span]) -> Vec<u32> {
    let mut numbers: FxHashMap<&Path, u32> = FxHashMap::default();
    let mut number = |path| {
        let next = numbers.len() as u32;
        *numbers.entry(path).or_insert(next)
    };
    spans
        .iter()
        .map(|span| number(span.path.as_path()))
        .collect()
}

/// What one thread encodes at a time.
enum Unit {
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

/// What all units have in common.
struct Task<'a> {
    encoder: &'a Encoder,
    job: &'a TokenArraysJob<'a>,
    progress: &'a Progress,
    sources: Vec<u32>,
    delimiter_id: Option<u32>,
}

impl Task<'_> {
    /// Encode a unit; return how many bytes of documents it had.
    fn encode_unit(
        &self,
        unit: Unit,
        workspace: &mut Workspace,
        encoded: &mut EncodedUnit,
    ) -> Result<u64, Error> {
        match unit {
            Unit::Documents(extents) => {
                let (Some(first), Some(last)) = (extents.first(), extents.last()) else {
                    return Ok(0);
                };
                let bytes = read_range(self.path(*first), first.start, last.stop)?;
                for extent in &extents {
                    let from = (extent.start - first.start) as usize;
                    let text = &bytes[from..from + extent.length() as usize];
                    let mut identity = Identity::default();
                    identity.update(text);
                    if let Some(hash) = self.keep(identity) {
                        self.begin_document(*extent, hash, encoded);
                        self.encode_text(*extent, extent.start, text, workspace, encoded)?;
                    }
                }
                Ok(last.stop - first.start)
            }
            Unit::Part {
                document,
                start,
                stop,
                first_with_hash,
            } => {
                if let Some(hash) = first_with_hash {
                    self.begin_document(document, hash, encoded);
                }
                let text = read_range(self.path(document), start, stop)?;
                self.encode_text(document, start, &text, workspace, encoded)?;
                Ok(stop - start)
            }
        }
    }

    fn begin_document(&self, extent: Extent, content_hash: u64, encoded: &mut EncodedUnit) {
        encoded.rows.push(DocumentRow {
            first_token: encoded.ids.len() as u64,
            byte_start: extent.start,
            byte_length: extent.length(),
            source: self.sources[extent.span],
            content_hash,
        });
        encoded.ids.extend(self.delimiter_id);
    }

    fn encode_text(
        &self,
        extent: Extent,
        offset: u64,
        bytes: &[u8],
        workspace: &mut Workspace,
        encoded: &mut EncodedUnit,
    ) -> Result<(), Error> {
        let source = TextSource::File(self.path(extent));
        let text = source.decode(bytes, offset, self.job.invalid_utf8)?;
        self.encoder.encode_into(&text, workspace, &mut encoded.ids);
        Ok(())
    }

    /// The content hash of a document that is to be written.
    fn keep(&self, identity: Identity) -> Option<u64> {
        let hash = identity.content_hash()?;
        ((hash < self.job.held_out_below) == self.job.keep_held_out).then_some(hash)
    }

    fn path(&self, extent: Extent) -> &Path {
        &self.job.spans[extent.span].path
    }
}

/// What decides whether a document is written: whether it has text, and its hash.
#[derive(Default)]
struct Identity {
    digest: Sha256,
    has_text: bool,
}

impl Identity {
    fn update(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        // Vertical tab is among the ASCII white space here, unlike in `is_ascii_whitespace`.
        self.has_text |= !bytes
            .iter()
            .all(|byte| matches!(byte, b' ' | b'\t'..=b'\r'));
    }

    /// The first eight bytes of the SHA-256, little-endian; `None` for a blank document.
    fn content_hash(self) -> Option<u64> {
        let digest: [u8; 32] = self.digest.finalize().into();
        let first = digest.first_chunk().copied();
        first.filter(|_| self.has_text).map(u64::from_le_bytes)
    }
}

/// Iterator that groups short documents and cuts long ones.
struct Units<'a> {
    task: &'a Task<'a>,
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

impl Units<'_> {
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
            // What stopped an empty group is a document longer than a unit. It is hashed here and
            // now: whether it is written at all must be known before its first part is.
            let mut identity = Identity::default();
            let path = self.task.path(extent);
            for_each_block(
                path,
                extent.start,
                extent.stop,
                self.task.progress,
                |block| {
                    identity.update(block);
                },
            )?;
            let kept = self.task.keep(identity);
            self.long = kept.map(|hash| LongDocument {
                extent,
                hash,
                start: extent.start,
            });
        }
    }

    /// Documents of one span that lie within the length of a unit.
    fn next_group(&mut self) -> Result<Vec<Extent>, Error> {
        let mut group: Vec<Extent> = Vec::new();
        while let Some(extent) = self
            .held_back
            .take()
            .map(Ok)
            .or_else(|| self.extents.next())
        {
            let extent = extent?;
            let first = group.first().unwrap_or(&extent);
            if extent.span != first.span || extent.stop - first.start > PART_BYTES {
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
        let source = TextSource::File(self.task.path(extent));
        let specials = &self.task.encoder.specials;
        let stop = part_end(source, start, extent.stop, PART_BYTES, specials)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Vocabulary;

    const DELIMITER: &[u8] = b"<|x|>";

    /// Bytes as ids, the delimiter as 256, and one merge.
    fn encoder() -> Encoder {
        let bytes = (0..=255).map(|byte: u8| (u32::from(byte), vec![byte]));
        let more = [(256, DELIMITER.to_vec()), (257, b"ab".to_vec())];
        let tokens: Vec<_> = bytes.chain(more).collect();
        let vocabulary = Vocabulary::new(&tokens, &[(b"a", b"b")]).expect("valid");
        Encoder::new(vocabulary, vec![(DELIMITER.to_vec(), 256)]).expect("valid")
    }

    /// A folder that is removed in the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("nanot-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).expect("a folder for the test");
            Self(path)
        }

        fn spans(&self, text: &[u8]) -> Vec<Span> {
            let path = self.0.join("text");
            std::fs::write(&path, text).expect("the text is written");
            vec![Span {
                path,
                start: 0,
                stop: text.len() as u64,
            }]
        }

        /// Run a job on the spans; return what was written and both files.
        fn write(
            &self,
            spans: &[Span],
            num_threads: usize,
        ) -> Result<(Written, [Vec<u8>; 2]), Error> {
            let paths = [self.0.join("tokens.npy"), self.0.join("documents.npy")];
            let job = TokenArraysJob {
                spans,
                tokens_path: &paths[0],
                documents_path: &paths[1],
                delimiter: Some(DELIMITER),
                invalid_utf8: InvalidUtf8::Reject,
                held_out_below: 0,
                keep_held_out: false,
                num_threads,
            };
            let written = write_token_arrays(&encoder(), &job, &Progress::default())?;
            Ok((
                written,
                paths.map(|path| std::fs::read(path).expect("the file was written")),
            ))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }

    fn ids(file: &[u8]) -> Vec<u32> {
        let values = file[128..].as_chunks::<2>().0;
        values
            .iter()
            .map(|&value| u32::from(u16::from_le_bytes(value)))
            .collect()
    }

    #[test]
    fn documents_begin_with_the_delimiter_and_blank_ones_are_skipped() {
        let folder = Folder::new("documents");
        let spans = folder.spans(b"<|x|>\nab\n<|x|>\r\n c<|x|> \n<|x|>\n\nd");
        let (written, [tokens, documents]) = folder.write(&spans, 2).expect("valid");
        let expected: [&[u32]; 3] = [&[256, 257, 10], &[256, 32, 99], &[256, 10, 100]];
        assert_eq!(ids(&tokens), expected.concat());
        assert_eq!(
            written,
            Written {
                tokens: 9,
                documents: 3
            }
        );
        assert_eq!(documents.len(), 256 + 3 * 36);
        let second = &documents[256 + 36..];
        assert_eq!(&second[..24], [3_u64, 16, 2].map(u64::to_le_bytes).concat());
    }

    #[test]
    fn threads_blocks_and_parts_make_no_difference() {
        let folder = Folder::new("threads");
        let mut text = Vec::new();
        let mut expected = Vec::new();
        // Short documents, so that delimiters cross the ends of blocks, and one of many parts.
        for number in 0..150_000 {
            text.extend_from_slice(format!("{number} ab  z").as_bytes());
            text.extend_from_slice(if number % 2 == 0 {
                b"<|x|>\n"
            } else {
                b"<|x|>\r\n"
            });
        }
        text.extend(b" word\nab".repeat(1_000_000));
        for document in text
            .split_at(text.len() - 8_000_000)
            .0
            .split(|&byte| byte == b'>')
        {
            let document = document.strip_suffix(b"<|x|").unwrap_or(document);
            let text = document.trim_ascii_start();
            if !text.is_empty() {
                expected.push(256);
                expected.extend(encoder().encode(text, false));
            }
        }
        expected.push(256);
        expected.extend(encoder().encode(&text[text.len() - 8_000_000..], false));
        let spans = folder.spans(&text);
        let (written, files) = folder.write(&spans, 1).expect("valid");
        assert_eq!(
            written,
            Written {
                tokens: expected.len() as u64,
                documents: 150_001
            }
        );
        assert!(ids(&files[0]) == expected);
        for num_threads in [2, 5] {
            let (_, others) = folder.write(&spans, num_threads).expect("valid");
            assert!(files == others);
        }
    }

    #[test]
    fn the_first_malformed_byte_is_named_whatever_the_threads() {
        let folder = Folder::new("malformed");
        let mut text = b"fine text. ".repeat(800_000);
        text[3_000_000] = 0xFF;
        text[7_000_000] = 0xFF;
        let spans = folder.spans(&text);
        for num_threads in [1, 4] {
            let result = folder.write(&spans, num_threads);
            assert!(matches!(
                result,
                Err(Error::InvalidUtf8 {
                    offset: 3_000_000,
                    ..
                })
            ));
        }
    }

    #[test]
    fn a_file_that_ends_too_early_is_an_error() {
        let folder = Folder::new("short");
        let mut spans = folder.spans(b"abc");
        spans[0].stop = 5;
        let result = folder.write(&spans, 2);
        assert!(matches!(
            result,
            Err(Error::FileTooShort {
                length: 3,
                expected: 5,
                ..
            })
        ));
    }
}
