//! Which Python exception each error of the core becomes.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nanot_bpe::Error;
use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError, PyRuntimeError};
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
        Error::InvalidUtf8 { .. }
        | Error::FileTooShort { .. }
        | Error::TooManyPreTokens { .. }
        | Error::CountsTooLarge => raised::DataError::new_err(error.to_string()),
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
        | Error::TooManyMerges { .. }
        | Error::UnknownTokenId { .. } => TokenizerError::new_err(error.to_string()),
    }
}

/// Run `work`; a panic in it becomes an ordinary exception, which callers can catch as one.
pub(crate) fn catch_panic<T>(work: impl FnOnce() -> T) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| panic_error(panic.as_ref()))
}

/// The exception for a panic, which is always a fault of this program.
pub(crate) fn panic_error(panic: &(dyn Any + Send)) -> PyErr {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    PyRuntimeError::new_err(format!(
        "the tokenizer's extension failed where it never should ({}); please report this",
        text.unwrap_or("no message")
    ))
}

fn strerror(py: Python<'_>, number: i32) -> PyResult<String> {
    py.import("os")?
        .call_method1("strerror", (number,))?
        .extract()
}
