//! The class `BpeEncoder`.

use std::path::PathBuf;

use nanot_bpe::{
    Encoder, FlatIds, Pattern, Progress, Span, TokenArraysJob, Vocabulary, write_token_arrays,
};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyByteArray, PyBytes, PyList, PyMemoryView};

use crate::convert::{invalid_utf8, known_ids, narrow_ids, token_id};
use crate::errors::{catch_panic, to_python};
use crate::id_buffer::{narrow_view, wide_view};
use crate::watch::run_watched;

/// Batches of fewer bytes are encoded on the calling thread.
const SMALL_BYTES: usize = 64 << 10;

/// An immutable byte-level BPE encoder and decoder; safe to share between threads.
#[pyclass(frozen, module = "nano_transformer._native")]
pub(crate) struct BpeEncoder {
    encoder: Encoder,
    largest_id: u32,
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
        ignore_merges: bool,
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
            let vocabulary = Vocabulary::new(&tokens, &merges)?;
            let pattern = Pattern::parse(pattern)?;
            let largest_id = vocabulary.largest_id();
            let encoder = Encoder::new(vocabulary, specials, pattern, ignore_merges)?;
            Ok(Self {
                encoder,
                largest_id,
            })
        };
        build().map_err(|error| to_python(py, error))
    }

    fn encode(&self, py: Python<'_>, text: &[u8], with_special_tokens: bool) -> PyResult<Vec<u32>> {
        py.detach(|| catch_panic(|| self.encoder.encode(text, with_special_tokens)))?
            .map_err(|error| to_python(py, error))
    }

    /// Return the ids of each text.
    fn encode_batch<'py>(
        &self,
        py: Python<'py>,
        texts: Vec<PyBackedBytes>,
        with_special_tokens: bool,
        num_threads: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        let flat = self.encode_flat(py, &texts, with_special_tokens, num_threads)?;
        let lists = flat.texts().map(|ids| PyList::new(py, ids));
        PyList::new(py, lists.collect::<PyResult<Vec<_>>>()?)
    }

    /// Return the ids of all texts as little-endian uint32, and as int64 where each text begins.
    fn encode_to_arrays<'py>(
        &self,
        py: Python<'py>,
        texts: Vec<PyBackedBytes>,
        with_special_tokens: bool,
        num_threads: usize,
    ) -> PyResult<(Bound<'py, PyMemoryView>, Bound<'py, PyByteArray>)> {
        let flat = self.encode_flat(py, &texts, with_special_tokens, num_threads)?;
        let offsets = PyByteArray::new_with(py, flat.offsets.len() * 8, |bytes| {
            for (place, offset) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(&flat.offsets) {
                *place = (*offset as u64).to_le_bytes();
            }
            Ok(())
        })?;
        let ids = flat.ids.into_iter().map(u32::to_le).collect();
        Ok((wide_view(py, ids)?, offsets))
    }

    /// Return the ids of a file from `start` to a sure border after `least_bytes` as little-endian
    /// integers, of 16 bits where the largest id fits, else of 32, and where that border is.
    #[expect(
        clippy::too_many_arguments,
        reason = "Python callers pass them by name"
    )]
    fn encode_file<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
        start: u64,
        least_bytes: u64,
        with_special_tokens: bool,
        num_threads: usize,
        progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<(Bound<'py, PyMemoryView>, u64)> {
        let range = (start, least_bytes);
        if self.largest_id < 1 << 16 {
            let ids = run_watched(py, progress.as_ref(), |progress| {
                let encoder = &self.encoder;
                encoder.encode_file::<u16>(&path, range, with_special_tokens, num_threads, progress)
            })?;
            Ok((narrow_view(py, ids.ids)?, ids.stop))
        } else {
            let ids = run_watched(py, progress.as_ref(), |progress| {
                let encoder = &self.encoder;
                encoder.encode_file::<u32>(&path, range, with_special_tokens, num_threads, progress)
            })?;
            Ok((wide_view(py, ids.ids)?, ids.stop))
        }
    }

    fn decode<'py>(
        &self,
        py: Python<'py>,
        token_ids: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        if let Some(ids) = narrow_ids(token_ids) {
            return self.decode_ids(py, &ids?);
        }
        self.decode_ids(py, &known_ids(token_ids, self.largest_id)?)
    }

    /// Return the bytes of each list of ids, joined.
    fn decode_batch<'py>(
        &self,
        py: Python<'py>,
        batches: Vec<Bound<'py, PyAny>>,
        num_threads: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        let batches = batches
            .iter()
            .map(|ids| known_ids(ids, self.largest_id))
            .collect::<PyResult<Vec<_>>>()?;
        let decoded = run_watched(py, None, |progress| {
            self.encoder.decode_batch(&batches, num_threads, progress)
        })?;
        PyList::new(py, decoded.iter().map(|bytes| PyBytes::new(py, bytes)))
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

impl BpeEncoder {
    /// Write the bytes of ids straight into what Python gets.
    fn decode_ids<'py, T: Copy + Into<u32> + Sync>(
        &self,
        py: Python<'py>,
        ids: &[T],
    ) -> PyResult<Bound<'py, PyBytes>> {
        let length = py
            .detach(|| self.encoder.decoded_length(ids))
            .map_err(|error| to_python(py, error))?;
        PyBytes::new_with(py, length, |bytes| {
            py.detach(|| self.encoder.decode_into(ids, bytes));
            Ok(())
        })
    }

    /// Encode a batch; a small one on this thread, because starting others would take longer.
    fn encode_flat(
        &self,
        py: Python<'_>,
        texts: &[PyBackedBytes],
        with_special_tokens: bool,
        num_threads: usize,
    ) -> PyResult<FlatIds> {
        let texts: Vec<&[u8]> = texts.iter().map(|text| &text[..]).collect();
        let work = |num_threads, progress: &Progress| {
            self.encoder
                .encode_batch(&texts, with_special_tokens, num_threads, progress)
        };
        if texts.iter().map(|text| text.len()).sum::<usize>() < SMALL_BYTES {
            return py
                .detach(|| catch_panic(|| work(1, &Progress::default())))?
                .map_err(|error| to_python(py, error));
        }
        run_watched(py, None, |progress| work(num_threads, progress))
    }
}
