//! The class `PreTokenCounter`.

use std::path::PathBuf;

use nanot_bpe::{Learning, Pattern, TextSource, TieBreak};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::convert::invalid_utf8;
use crate::errors::to_python;
use crate::watch::run_watched;

/// Counts pre-tokens of one text after another, and learns merges from the counts.
#[pyclass(module = "nano_transformer._native")]
pub(crate) struct PreTokenCounter {
    counter: nanot_bpe::PreTokenCounter,
}

#[pymethods]
impl PreTokenCounter {
    #[new]
    fn new(py: Python<'_>, pattern: &str, special_tokens: Vec<Vec<u8>>) -> PyResult<Self> {
        let build = || nanot_bpe::PreTokenCounter::new(Pattern::parse(pattern)?, special_tokens);
        let counter = build().map_err(|error| to_python(py, error))?;
        Ok(Self { counter })
    }

    /// Count the pre-tokens of files, in parallel and in bounded memory; after an error, none.
    fn count_files(
        &mut self,
        py: Python<'_>,
        paths: Vec<PathBuf>,
        replace_invalid_utf8: bool,
        num_threads: usize,
        progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let sources: Vec<_> = paths.iter().map(|path| TextSource::File(path)).collect();
        let counter = &mut self.counter;
        run_watched(py, progress.as_ref(), |progress| {
            let invalid_utf8 = invalid_utf8(replace_invalid_utf8);
            counter.count(&sources, invalid_utf8, num_threads, progress)
        })
    }

    /// Count the pre-tokens of texts, the first of which messages call by `first_number`.
    fn count_texts(
        &mut self,
        py: Python<'_>,
        texts: Vec<PyBackedBytes>,
        first_number: usize,
        replace_invalid_utf8: bool,
        num_threads: usize,
        progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let numbers = first_number..first_number.saturating_add(texts.len());
        let sources: Vec<_> = texts
            .iter()
            .zip(numbers)
            .map(|(text, number)| TextSource::Memory(text, number))
            .collect();
        let counter = &mut self.counter;
        run_watched(py, progress.as_ref(), |progress| {
            let invalid_utf8 = invalid_utf8(replace_invalid_utf8);
            counter.count(&sources, invalid_utf8, num_threads, progress)
        })
    }

    /// Add counts that were made elsewhere.
    fn add(&mut self, pieces: Vec<(PyBackedBytes, u64)>) {
        for (piece, count) in pieces {
            self.counter.add(&piece, count);
        }
    }

    /// Return every pre-token with its count, in the order of their bytes.
    fn items<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let items = py.detach(|| self.counter.items());
        let pairs = items
            .iter()
            .map(|(piece, count)| (PyBytes::new(py, piece), count).into_pyobject(py));
        PyList::new(py, pairs.collect::<PyResult<Vec<_>>>()?)
    }

    /// Learn up to `num_merges` merges, in the order learnt.
    fn learn_merges<'py>(
        &self,
        py: Python<'py>,
        num_merges: usize,
        tie_break: &str,
        min_frequency: u64,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let tie_break = match tie_break {
            "bytes" => TieBreak::Bytes,
            "huggingface" => TieBreak::HuggingFace,
            _ => return Err(PyValueError::new_err("`tie_break` is not known")),
        };
        let learning = Learning {
            num_merges,
            tie_break,
            min_frequency,
        };
        let counter = &self.counter;
        let merges = run_watched(py, progress.as_ref(), |progress| {
            counter.learn_merges(&learning, progress)
        })?;
        // Merges share the objects of their tokens.
        let tokens: Vec<_> = merges
            .tokens
            .into_iter()
            .map(|token| PyBytes::new(py, &token))
            .collect();
        let pairs = merges.pairs.iter().map(|&(left, right)| {
            PyTuple::new(py, [&tokens[left as usize], &tokens[right as usize]])
        });
        PyList::new(py, pairs.collect::<PyResult<Vec<_>>>()?)
    }
}
