//! How the documents of files become the two arrays of a token cache, in parallel and in order.

use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;

use crate::document_units::{Identity, Unit, Units};
use crate::documents::Extent;
use crate::ordered_output::{DocumentRow, EncodedUnit, OrderedOutput};
use crate::source::read_range_into;
use crate::workers::share_work;
use crate::workspace::{BorrowedWorkspace, Workspace};
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
/// Each document begins with the delimiter's id when that is a special token. Memory holds some
/// 24 MiB a thread, or the longest stretch of text without white space.
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
        sources: number_sources(job.spans),
        delimiter_id: job
            .delimiter
            .and_then(|delimiter| encoder.special_id(delimiter)),
    };
    let units = Units::new(job, &encoder.specials, &encoder.pattern, progress);
    share_work(
        units,
        job.num_threads,
        || State {
            workspace: encoder.workspaces.borrow(),
            bytes: Vec::new(),
            encoded: EncodedUnit::default(),
        },
        |state, number, unit| {
            let turn = output.turn(number);
            progress.check()?;
            let done_bytes = task.encode_unit(unit, state)?;
            turn.write(&mut state.encoded)?;
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

/// What a thread uses for one unit after the other.
struct State<'a> {
    workspace: BorrowedWorkspace<'a>,
    bytes: Vec<u8>,
    encoded: EncodedUnit,
}

/// What all units have in common.
struct Task<'a> {
    encoder: &'a Encoder,
    job: &'a TokenArraysJob<'a>,
    sources: Vec<u32>,
    delimiter_id: Option<u32>,
}

impl Task<'_> {
    /// Encode a unit; return how many bytes of documents it had.
    fn encode_unit(&self, unit: Unit, state: &mut State<'_>) -> Result<u64, Error> {
        let State {
            workspace,
            bytes,
            encoded,
        } = state;
        encoded.clear();
        match unit {
            Unit::Documents(extents) => {
                let (Some(first), Some(last)) = (extents.first(), extents.last()) else {
                    return Ok(0);
                };
                read_range_into(first.path(self.job.spans), first.start, last.stop, bytes)?;
                for extent in &extents {
                    let from = (extent.start - first.start) as usize;
                    let text = &bytes[from..from + extent.length() as usize];
                    let mut identity = Identity::default();
                    identity.update(text);
                    if let Some(hash) = identity.hash_if_kept(self.job) {
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
                read_range_into(document.path(self.job.spans), start, stop, bytes)?;
                self.encode_text(document, start, bytes, workspace, encoded)?;
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
        let source = TextSource::File(extent.path(self.job.spans));
        let text = source.decode(bytes, offset, self.job.invalid_utf8)?;
        self.encoder.encode_into(&text, workspace, &mut encoded.ids)
    }
}

#[cfg(test)]
mod tests;
