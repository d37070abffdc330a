//! Where texts come from: files, read in ranges, or memory; and what happens to malformed UTF-8.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::Error;

/// A text.
#[derive(Clone, Copy, Debug)]
pub enum TextSource<'a> {
    /// The whole of a file.
    File(&'a Path),
    /// Bytes in memory, and the text's number among others, from 1.
    Memory(&'a [u8], usize),
}

/// What a text is called in messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextName {
    /// The file of this path.
    File(PathBuf),
    /// The text in memory with this number.
    Number(usize),
}

impl fmt::Display for TextName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "`{}`", path.display()),
            Self::Number(number) => write!(formatter, "text number {number}"),
        }
    }
}

/// What to do about malformed UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidUtf8 {
    /// Fail with [`Error::InvalidUtf8`].
    Reject,
    /// Replace each malformed sequence by U+FFFD, as Python's `errors="replace"` does.
    Replace,
}

impl<'a> TextSource<'a> {
    /// Length in bytes.
    pub(crate) fn length(self) -> Result<u64, Error> {
        match self {
            Self::File(path) => Ok(path
                .metadata()
                .map_err(|source| io_error(path, source))?
                .len()),
            Self::Memory(bytes, _) => Ok(bytes.len() as u64),
        }
    }

    /// The bytes from `start` to `stop`.
    pub(crate) fn read(self, start: u64, stop: u64) -> Result<Cow<'a, [u8]>, Error> {
        match self {
            Self::File(path) => Ok(Cow::Owned(read_range(path, start, stop)?)),
            Self::Memory(bytes, _) => Ok(Cow::Borrowed(&bytes[start as usize..stop as usize])),
        }
    }

    fn name(self) -> TextName {
        match self {
            Self::File(path) => TextName::File(path.to_owned()),
            Self::Memory(_, number) => TextName::Number(number),
        }
    }

    /// Return `bytes`, which begin at `offset` of this text, as valid UTF-8.
    pub(crate) fn decode(
        self,
        bytes: &[u8],
        offset: u64,
        invalid_utf8: InvalidUtf8,
    ) -> Result<Cow<'_, [u8]>, Error> {
        match (std::str::from_utf8(bytes), invalid_utf8) {
            (Ok(_), _) => Ok(Cow::Borrowed(bytes)),
            (Err(_), InvalidUtf8::Replace) => Ok(Cow::Owned(
                String::from_utf8_lossy(bytes).into_owned().into_bytes(),
            )),
            (Err(error), InvalidUtf8::Reject) => Err(Error::InvalidUtf8 {
                text: self.name(),
                offset: offset + error.valid_up_to() as u64,
            }),
        }
    }
}

/// Read the bytes of a file from `start` to `stop`.
pub(crate) fn read_range(path: &Path, start: u64, stop: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    read_range_into(path, start, stop, &mut bytes)?;
    Ok(bytes)
}

/// Put the bytes of a file from `start` to `stop` in place of what is in `bytes`.
pub(crate) fn read_range_into(
    path: &Path,
    start: u64,
    stop: u64,
    bytes: &mut Vec<u8>,
) -> Result<(), Error> {
    bytes.clear();
    append_range(path, start, stop, bytes)
}

/// Append the bytes of a file from `start` to `stop`.
///
/// Each call opens the file by itself, so that threads share nothing; ranges are large.
pub(crate) fn append_range(
    path: &Path,
    start: u64,
    stop: u64,
    bytes: &mut Vec<u8>,
) -> Result<(), Error> {
    let failed = |source| io_error(path, source);
    let mut file = File::open(path).map_err(failed)?;
    file.seek(SeekFrom::Start(start)).map_err(failed)?;
    let wanted = stop.saturating_sub(start);
    bytes.reserve(wanted as usize);
    let num_read = file.take(wanted).read_to_end(bytes).map_err(failed)?;
    let length = start + num_read as u64;
    if length < stop {
        return Err(Error::FileTooShort {
            path: path.to_owned(),
            length,
            expected: stop,
        });
    }
    Ok(())
}

/// Add the path to what the system said.
pub(crate) fn io_error(path: &Path, source: std::io::Error) -> Error {
    Error::Io {
        path: path.to_owned(),
        source,
    }
}
