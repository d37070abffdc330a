//! How Python's arguments become the core's.

use nanot_bpe::InvalidUtf8;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::errors::TokenizerError;

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
        if error.is_instance_of::<PyOverflowError>(number.py()) {
            TokenizerError::new_err(format!("token id {number} is not in 0 to {}", u32::MAX - 1))
        } else {
            error
        }
    })
}

/// Ids that are to be decoded: a sequence of integers, or a one-dimensional array of them.
///
/// One that 32 bits cannot hold is in no vocabulary, `largest` being the largest that is.
pub(crate) fn known_ids(ids: &Bound<'_, PyAny>, largest: u32) -> PyResult<Vec<u32>> {
    let is_plain = ids.is_instance_of::<PyList>() || ids.is_instance_of::<PyTuple>();
    if !is_plain && let Some(ids) = ids_in_array(ids, largest) {
        return ids;
    }
    ids.try_iter()?
        .map(|id| {
            let id = id?;
            id.extract::<u32>().map_err(|error| {
                if error.is_instance_of::<PyOverflowError>(id.py()) {
                    unknown_id(&id, largest)
                } else {
                    error
                }
            })
        })
        .collect()
}

/// The ids in an array of 16 bits each, as they are.
pub(crate) fn narrow_ids(array: &Bound<'_, PyAny>) -> Option<PyResult<Vec<u16>>> {
    let buffer = PyBuffer::<u16>::get(array).ok()?;
    Some(buffer.to_vec(array.py()))
}

/// The ids in an array of a usual type, without a Python object for each.
fn ids_in_array(array: &Bound<'_, PyAny>, largest: u32) -> Option<PyResult<Vec<u32>>> {
    let py = array.py();
    if let Ok(buffer) = PyBuffer::<u32>::get(array) {
        return Some(buffer.to_vec(py));
    }
    if let Some(ids) = narrow_ids(array) {
        return Some(ids.map(|ids| ids.into_iter().map(u32::from).collect()));
    }
    let wide: PyResult<Vec<i64>> = if let Ok(buffer) = PyBuffer::<i64>::get(array) {
        buffer.to_vec(py)
    } else if let Ok(buffer) = PyBuffer::<i32>::get(array) {
        let ids = buffer.to_vec(py);
        ids.map(|ids| ids.into_iter().map(i64::from).collect())
    } else {
        return None;
    };
    Some(wide.and_then(|ids| {
        let narrow = |id: i64| u32::try_from(id).map_err(|_| unknown_id(id, largest));
        ids.into_iter().map(narrow).collect()
    }))
}

fn unknown_id(id: impl std::fmt::Display, largest: u32) -> PyErr {
    TokenizerError::new_err(format!(
        "token id {id} is not in the vocabulary, whose largest id is {largest}"
    ))
}
