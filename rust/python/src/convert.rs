//! How Python's arguments become the core's.

use std::path::PathBuf;

use nanot_bpe::{InvalidUtf8, TextSource};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyString};

use crate::errors::TokenizerError;

/// Files, or texts in memory; the bytes stay where Python has them.
pub(crate) enum Sources {
    Files(Vec<PathBuf>),
    Texts(Vec<PyBackedBytes>),
}

impl Sources {
    /// The core's view of them.
    pub(crate) fn as_text_sources(&self) -> Vec<TextSource<'_>> {
        match self {
            Self::Files(paths) => paths.iter().map(|path| TextSource::File(path)).collect(),
            Self::Texts(texts) => texts
                .iter()
                .zip(1..)
                .map(|(text, number)| TextSource::Memory(text, number))
                .collect(),
        }
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Sources {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let items: Vec<Bound<'py, PyAny>> = object.extract()?;
        if items.iter().all(PyAnyMethods::is_instance_of::<PyString>) {
            let paths = items.iter().map(PyAnyMethods::extract::<PathBuf>);
            return Ok(Self::Files(paths.collect::<PyResult<_>>()?));
        }
        let texts = items.iter().map(|item| {
            let bytes = item.cast::<PyBytes>().map_err(|_| {
                PyTypeError::new_err("`sources` must hold only str (paths) or only bytes (texts)")
            })?;
            Ok(PyBackedBytes::from(bytes.clone()))
        });
        Ok(Self::Texts(texts.collect::<PyResult<_>>()?))
    }
}

/// The core's name of a Python flag.
pub(crate) fn invalid_utf8(replace: bool) -> InvalidUtf8 {
    if replace {
        InvalidUtf8::Replace
    } else {
        InvalidUtf8::Reject
    }
}

/// A token id from any integer; one that 32 bits cannot hold is a `TokenizerError`.
pub(crate) fn token_id(number: &Bound<'_, PyAny>) -> PyResult<u32> {
    number.extract::<u32>().map_err(|error| {
        if error.is_instance_of::<pyo3::exceptions::PyOverflowError>(number.py()) {
            TokenizerError::new_err(format!("token id {number} is not in 0 to {}", u32::MAX - 1))
        } else {
            error
        }
    })
}
