//! How threads that finish in any order write a token cache in the order of its units.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::npy::{DOCUMENT_DESCR, DOCUMENTS_HEADER_BYTES, NpyWriter, TOKENS_HEADER_BYTES};
use crate::{Error, Written};

/// Where a document begins, and what identifies it.
pub(crate) struct DocumentRow {
    /// Index of its first token within its unit.
    pub(crate) first_token: u64,
    pub(crate) byte_start: u64,
    pub(crate) byte_length: u64,
    pub(crate) source: u32,
    pub(crate) content_hash: u64,
}

/// The tokens of a unit, and the documents that begin in it.
#[derive(Default)]
pub(crate) struct EncodedUnit {
    pub(crate) ids: Vec<u32>,
    pub(crate) rows: Vec<DocumentRow>,
}

impl EncodedUnit {
    /// Forget what is in it; the memory stays.
    pub(crate) fn clear(&mut self) {
        self.ids.clear();
        self.rows.clear();
    }
}

/// Units that may wait for an earlier one before the threads that make them do; all of them together
/// have the ids of some 32 MiB of text.
const MOST_EARLY: usize = 64;

/// Both files; units are written strictly in the order of their numbers.
pub(crate) struct OrderedOutput {
    state: Mutex<State>,
    changed: Condvar,
    id_bytes: usize,
}

struct State {
    /// None while a thread writes.
    files: Option<Files>,
    next_unit: usize,
    /// Finished units whose turn has not come.
    early: BTreeMap<usize, FinishedUnit>,
    has_failed: bool,
}

/// The tokens of a unit as bytes, and the documents that begin in it.
struct FinishedUnit {
    tokens: Vec<u8>,
    rows: Vec<DocumentRow>,
}

struct Files {
    tokens: NpyWriter,
    documents: NpyWriter,
    written: Written,
}

impl OrderedOutput {
    /// Create both files; ids take 2 or 4 bytes.
    pub(crate) fn create(
        tokens_path: &Path,
        documents_path: &Path,
        id_bytes: usize,
    ) -> Result<Self, Error> {
        let id_descr = if id_bytes == 2 { "<u2" } else { "<u4" };
        let files = Files {
            tokens: NpyWriter::create(tokens_path, id_descr, TOKENS_HEADER_BYTES)?,
            documents: NpyWriter::create(documents_path, DOCUMENT_DESCR, DOCUMENTS_HEADER_BYTES)?,
            written: Written::default(),
        };
        let state = State {
            files: Some(files),
            next_unit: 0,
            early: BTreeMap::new(),
            has_failed: false,
        };
        Ok(Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            id_bytes,
        })
    }

    /// The right to write the unit with this number. All units must be asked for.
    pub(crate) fn turn(&self, number: usize) -> Turn<'_> {
        Turn {
            output: self,
            number,
            is_done: false,
        }
    }

    /// Fill in the headers; return how much was written.
    pub(crate) fn finish(self) -> Result<Written, Error> {
        let state = self
            .state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let files = state.files.expect("nobody writes any more");
        files.tokens.finish(files.written.tokens)?;
        files.documents.finish(files.written.documents)?;
        Ok(files.written)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue. One that is dropped unused, after an error or a panic, sends home all who
/// wait behind it: the files are lost then.
pub(crate) struct Turn<'a> {
    output: &'a OrderedOutput,
    number: usize,
    is_done: bool,
}

impl Turn<'_> {
    /// Have the unit written when all earlier ones are: by this thread or by that of one of those.
    pub(crate) fn write(mut self, unit: &mut EncodedUnit) -> Result<(), Error> {
        let unit = FinishedUnit {
            tokens: ids_as_bytes(&unit.ids, self.output.id_bytes),
            rows: std::mem::take(&mut unit.rows),
        };
        let state = self.output.lock();
        let must_wait =
            |state: &mut State| self.number > state.next_unit + MOST_EARLY && !state.has_failed;
        let waited = self.output.changed.wait_while(state, must_wait);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.early.insert(self.number, unit);
        while let Some((mut files, unit)) = state.next_to_write() {
            drop(state); // others can bring theirs meanwhile
            files.append(&unit, self.output.id_bytes)?;
            state = self.output.lock();
            state.files = Some(files);
            state.next_unit += 1;
            self.output.changed.notify_all();
        }
        self.is_done = true;
        Ok(())
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.output.lock().has_failed = true;
            self.output.changed.notify_all();
        }
    }
}

impl State {
    /// Take the files and the unit that goes into them now, if it is finished and nobody writes.
    fn next_to_write(&mut self) -> Option<(Files, FinishedUnit)> {
        if self.files.is_none() || self.has_failed {
            return None; // an error itself is returned by the unit that had it
        }
        let unit = self.early.remove(&self.next_unit)?;
        self.files.take().map(|files| (files, unit))
    }
}

impl Files {
    fn append(&mut self, unit: &FinishedUnit, id_bytes: usize) -> Result<(), Error> {
        self.tokens.append(&unit.tokens)?;
        self.documents
            .append(&rows_as_bytes(&unit.rows, self.written.tokens))?;
        self.written.tokens += (unit.tokens.len() / id_bytes) as u64;
        self.written.documents += unit.rows.len() as u64;
        Ok(())
    }
}

/// The ids in two or four bytes each.
fn ids_as_bytes(ids: &[u32], id_bytes: usize) -> Vec<u8> {
    let mut bytes = vec![0; ids.len() * id_bytes];
    if id_bytes == 2 {
        for (place, &id) in bytes.as_chunks_mut().0.iter_mut().zip(ids) {
            *place = (id as u16).to_le_bytes();
        }
    } else {
        for (place, &id) in bytes.as_chunks_mut().0.iter_mut().zip(ids) {
            *place = id.to_le_bytes();
        }
    }
    bytes
}

/// The rows as numpy reads them, when `tokens_before` tokens come before the unit.
fn rows_as_bytes(rows: &[DocumentRow], tokens_before: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in rows {
        bytes.extend_from_slice(&(tokens_before + row.first_token).to_le_bytes());
        bytes.extend_from_slice(&row.byte_start.to_le_bytes());
        bytes.extend_from_slice(&row.byte_length.to_le_bytes());
        bytes.extend_from_slice(&row.source.to_le_bytes());
        bytes.extend_from_slice(&row.content_hash.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is in both files after these units, each of as many documents as its number, were brought
    /// in this order.
    fn written(order: &[usize], name: &str) -> [Vec<u8>; 2] {
        let folder = std::env::temp_dir();
        let paths = ["tokens", "documents"]
            .map(|file| folder.join(format!("nanot-{name}-{file}-{}", std::process::id())));
        let output = OrderedOutput::create(&paths[0], &paths[1], 2).expect("temporary files");
        for &number in order {
            let mut unit = EncodedUnit::default();
            for document in 0..number as u64 {
                unit.ids.extend([number as u32, document as u32]);
                unit.rows.push(DocumentRow {
                    first_token: 2 * document,
                    byte_start: number as u64,
                    byte_length: document,
                    source: 0,
                    content_hash: 0,
                });
            }
            output.turn(number).write(&mut unit).expect("there is room");
        }
        output.finish().expect("there is room");
        paths.map(|path| {
            let bytes = std::fs::read(&path).expect("it was written");
            std::fs::remove_file(&path).expect("it is there");
            bytes
        })
    }

    #[test]
    fn units_are_written_in_their_order_whichever_is_finished_first() {
        let expected = written(&[0, 1, 2, 3, 4], "in-order");
        let ids: [u8; 4] = [1, 0, 0, 0];
        assert_eq!(expected[0][TOKENS_HEADER_BYTES..][..4], ids);
        for order in [[4, 3, 2, 1, 0], [1, 0, 4, 2, 3], [0, 2, 4, 1, 3]] {
            assert_eq!(written(&order, "out-of-order"), expected);
        }
    }
}
