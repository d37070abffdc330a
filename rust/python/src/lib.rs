//! `nano_transformer._native`: the core's functions for Python.
//!
//! Here values are converted, the GIL is released and errors become Python's; what thinks is in
//! `nanot-bpe`.

#![allow(
    clippy::needless_pass_by_value,
    reason = "PyO3 hands arguments over by value"
)]

mod convert;
mod encoder;
mod errors;
mod watch;

use nanot_bpe::{Pattern, TrainingJob};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::convert::{Sources, invalid_utf8};
use crate::encoder::BpeEncoder;
use crate::errors::to_python;
use crate::watch::run_watched;

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

/// Learn up to `num_merges` merges from files (str paths) or from texts (bytes), in the order learnt.
#[pyfunction]
#[expect(
    clippy::too_many_arguments,
    reason = "Python callers pass them by name"
)]
fn train_bpe<'py>(
    py: Python<'py>,
    sources: Sources,
    num_merges: usize,
    special_tokens: Vec<Vec<u8>>,
    pattern: &str,
    replace_invalid_utf8: bool,
    num_threads: usize,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyList>> {
    let pattern = Pattern::parse(pattern).map_err(|error| to_python(py, error))?;
    let merges = run_watched(py, progress.as_ref(), |progress| {
        let job = TrainingJob {
            sources: &sources.as_text_sources(),
            num_merges,
            special_tokens: &special_tokens,
            pattern: &pattern,
            invalid_utf8: invalid_utf8(replace_invalid_utf8),
            num_threads,
        };
        nanot_bpe::train(&job, progress)
    })?;
    let pairs = merges
        .iter()
        .map(|(left, right)| PyTuple::new(py, [PyBytes::new(py, left), PyBytes::new(py, right)]));
    PyList::new(py, pairs.collect::<PyResult<Vec<_>>>()?)
}

/// The functions and the class of the extension module.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    nanot_bpe::prepare();
    module.add("UNICODE_VERSION", nanot_bpe::UNICODE_VERSION)?;
    module.add_function(wrap_pyfunction!(split_into_pre_tokens, module)?)?;
    module.add_function(wrap_pyfunction!(train_bpe, module)?)?;
    module.add_class::<BpeEncoder>()
}
