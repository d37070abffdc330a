//! `nano_transformer._native`: the core's functions for Python.
//!
//! Here values are converted, the GIL is released and errors become Python's; what thinks is in
//! `nanot-bpe`.

#![allow(
    clippy::needless_pass_by_value,
    reason = "PyO3 hands arguments over by value"
)]

mod convert;
mod counter;
mod encoder;
mod errors;
mod id_buffer;
mod watch;

use nanot_bpe::Pattern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::counter::PreTokenCounter;
use crate::encoder::BpeEncoder;
use crate::errors::to_python;

/// Cut `text` where `pattern` does; the pieces joined are `text` again.
#[pyfunction]
fn split_into_pre_tokens<'py>(
    py: Python<'py>,
    text: &[u8],
    pattern: &str,
) -> PyResult<Bound<'py, PyList>> {
    let mut pieces = Vec::new();
    Pattern::parse(pattern)
        .and_then(|pattern| {
            pattern.for_each_piece(text, |piece| pieces.push(PyBytes::new(py, piece)))
        })
        .map_err(|error| to_python(py, error))?;
    PyList::new(py, pieces)
}

/// The function and the classes of the extension module.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    nanot_bpe::prepare();
    module.add("UNICODE_VERSION", nanot_bpe::UNICODE_VERSION)?;
    module.add_function(wrap_pyfunction!(split_into_pre_tokens, module)?)?;
    module.add_class::<PreTokenCounter>()?;
    module.add_class::<BpeEncoder>()
}
