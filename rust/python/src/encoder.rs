//! The class `BpeEncoder`.

use std::path::PathBuf;

use nanot_bpe::{Encoder, Pattern, Span, TokenArraysJob, Vocabulary, write_token_arrays};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::convert::{invalid_utf8, token_id};
use crate::errors::to_python;
use crate::watch::run_watched;

/// An immutable byte-level BPE encoder and decoder; safe to share between threads.
#[pyclass(frozen, module = "nano_transformer._native")]
pub(crate) struct BpeEncoder {
    encoder: Encoder,
}

#[pymethods]
impl BpeEncoder {
    #[new]
    fn new(
        py: Python<'_>,
        vocab: Vec<(Bound<'_, PyAny>, PyBackedBytes)>,
        merges: Vec<(PyBackedBytes, PyBackedBytes)>,
        special_tokens: Vec<(PyBackedBytes, Bound<'_, PyAny>)>,
        pattern: &str,
    ) -> PyResult<Self> {
        let tokens = vocab
            .into_iter()
            .map(|(id, token)| Ok((token_id(&id)?, token)));
        let tokens = tokens.collect::<PyResult<Vec<_>>>()?;
        let specials = special_tokens
            .iter()
            .map(|(token, id)| Ok((token.to_vec(), token_id(id)?)));
        let specials = specials.collect::<PyResult<Vec<_>>>()?;
        let build = || {
            Encoder::new(
                Vocabulary::new(&tokens, &merges)?,
                specials,
                Pattern::parse(pattern)?,
            )
        };
        let encoder = build().map_err(|error| to_python(py, error))?;
        Ok(Self { encoder })
    }

    fn encode(&self, py: Python<'_>, text: &[u8], with_special_tokens: bool) -> PyResult<Vec<u32>> {
        py.detach(|| self.encoder.encode(text, with_special_tokens))
            .map_err(|error| to_python(py, error))
    }

    fn decode<'py>(
        &self,
        py: Python<'py>,
        token_ids: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let ids = token_ids
            .try_iter()?
            .map(|id| token_id(&id?))
            .collect::<PyResult<Vec<_>>>()?;
        let bytes = py.detach(|| self.encoder.decode(&ids));
        Ok(PyBytes::new(
            py,
            &bytes.map_err(|error| to_python(py, error))?,
        ))
    }

    /// Encode the documents of byte spans of files into two .npy files; return (tokens, documents).
    #[expect(
        clippy::too_many_arguments,
        reason = "Python callers pass them by name"
    )]
    fn write_token_arrays(
        &self,
        py: Python<'_>,
        spans: Vec<(PathBuf, u64, u64)>,
        tokens_path: PathBuf,
        documents_path: PathBuf,
        delimiter: Option<Vec<u8>>,
        replace_invalid_utf8: bool,
        held_out_below: u64,
        keep_held_out: bool,
        num_threads: usize,
        progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<(u64, u64)> {
        let to_span = |(path, start, stop)| Span { path, start, stop };
        let spans: Vec<Span> = spans.into_iter().map(to_span).collect();
        let job = TokenArraysJob {
            spans: &spans,
            tokens_path: &tokens_path,
            documents_path: &documents_path,
            delimiter: delimiter.as_deref(),
            invalid_utf8: invalid_utf8(replace_invalid_utf8),
            held_out_below,
            keep_held_out,
            num_threads,
        };
        let written = run_watched(py, progress.as_ref(), |progress| {
            write_token_arrays(&self.encoder, &job, progress)
        })?;
        Ok((written.tokens, written.documents))
    }
}
