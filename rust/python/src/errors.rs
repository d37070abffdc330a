//! Which Python exception each error of the core becomes.

use nanot_bpe::Error;
use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError};
use pyo3::prelude::*;

mod raised {
    #![allow(missing_docs, reason = "the macro writes the items")]
    pyo3::import_exception!(nano_transformer.errors, DataError);
    pyo3::import_exception!(nano_transformer.errors, TokenizerError);
}

pub(crate) use raised::TokenizerError;

/// Translate an error of the core.
pub(crate) fn to_python(py: Python<'_>, error: Error) -> PyErr {
    match error {
        Error::Cancelled => PyKeyboardInterrupt::new_err(()),
        Error::Io { path, source } => match source.raw_os_error() {
            // Given number, text and path, OSError becomes the subclass that fits.
            Some(number) => match strerror(py, number) {
                Ok(text) => PyOSError::new_err((number, text, path.into_os_string())),
                Err(error) => error,
            },
            None => PyOSError::new_err(format!("`{}`: {source}", path.display())),
        },
        Error::InvalidUtf8 { .. } | Error::FileTooShort { .. } | Error::TooManyPreTokens { .. } => {
            raised::DataError::new_err(error.to_string())
        }
        Error::MalformedPattern { .. }
        | Error::PatternTooHard { .. }
        | Error::TokenIdOutOfRange { .. }
        | Error::EmptyToken { .. }
        | Error::EmptySpecialToken
        | Error::TooManySpecialTokens { .. }
        | Error::RepeatedId { .. }
        | Error::RepeatedToken { .. }
        | Error::MissingByte { .. }
        | Error::UnknownMergeToken { .. }
        | Error::RepeatedMerge { .. }
        | Error::UnknownTokenId { .. } => TokenizerError::new_err(error.to_string()),
    }
}

fn strerror(py: Python<'_>, number: i32) -> PyResult<String> {
    py.import("os")?
        .call_method1("strerror", (number,))?
        .extract()
}
