//! The .npy files of a token cache: headers of fixed length, so that a count can be filled in last.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::source::io_error;

/// What numpy calls the type of the rows of the documents file: 36 bytes, packed.
pub(crate) const DOCUMENT_DESCR: &str = "[('token_start', '<i8'), ('byte_start', '<i8'), \
     ('byte_length', '<i8'), ('source', '<i4'), ('content_hash', '<u8')]";
/// Length of the header of the documents file.
pub(crate) const DOCUMENTS_HEADER_BYTES: usize = 256;
/// Length of the header of the tokens file.
pub(crate) const TOKENS_HEADER_BYTES: usize = 128;

/// A one-dimensional .npy file (format version 1.0) that grows until it is finished.
pub(crate) struct NpyWriter {
    file: File,
    path: PathBuf,
    descr: &'static str,
    header_bytes: usize,
}

impl NpyWriter {
    /// Create the file with a header that says it is empty.
    pub(crate) fn create(
        path: &Path,
        descr: &'static str,
        header_bytes: usize,
    ) -> Result<Self, Error> {
        let file = File::create(path).map_err(|source| io_error(path, source))?;
        let mut writer = Self {
            file,
            path: path.to_owned(),
            descr,
            header_bytes,
        };
        writer.append(&header(descr, 0, header_bytes))?;
        Ok(writer)
    }

    /// Append raw little-endian values.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file
            .write_all(bytes)
            .map_err(|source| io_error(&self.path, source))
    }

    /// Write the number of rows into the header.
    pub(crate) fn finish(mut self, count: u64) -> Result<(), Error> {
        self.file
            .rewind()
            .map_err(|source| io_error(&self.path, source))?;
        self.append(&header(self.descr, count, self.header_bytes))
    }
}

fn header(descr: &str, count: u64, header_bytes: usize) -> Vec<u8> {
    // numpy quotes the name of a plain type, and writes the fields of a row as a list.
    let quote = if descr.starts_with('[') { "" } else { "'" };
    let text = format!(
        "{{'descr': {quote}{descr}{quote}, 'fortran_order': False, 'shape': ({count},), }}"
    );
    let text_bytes = header_bytes - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(text_bytes as u16).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes.resize(header_bytes - 1, b' ');
    bytes.push(b'\n');
    bytes
}
