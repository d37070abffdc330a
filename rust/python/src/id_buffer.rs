//! Ids that Python reads and writes where Rust has put them.

use std::ffi::c_int;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;

/// Keeps ids alive for the views of them.
#[pyclass(module = "nano_transformer._native")]
struct IdBuffer(Ids);

enum Ids {
    Narrow(Vec<u16>),
    Wide(Vec<u32>),
}

/// A view of ids of two bytes each, which must be little-endian.
pub(crate) fn narrow_view(py: Python<'_>, ids: Vec<u16>) -> PyResult<Bound<'_, PyMemoryView>> {
    view(py, Ids::Narrow(ids))
}

/// A view of ids of four bytes each, which must be little-endian.
pub(crate) fn wide_view(py: Python<'_>, ids: Vec<u32>) -> PyResult<Bound<'_, PyMemoryView>> {
    view(py, Ids::Wide(ids))
}

fn view(py: Python<'_>, ids: Ids) -> PyResult<Bound<'_, PyMemoryView>> {
    let buffer = Bound::new(py, IdBuffer(ids))?;
    PyMemoryView::from(buffer.as_any())
}

#[pymethods]
impl IdBuffer {
    #[expect(unsafe_code, reason = "the buffer protocol is one of pointers")]
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let (start, length) = match &mut slf.borrow_mut().0 {
            Ids::Narrow(ids) => (ids.as_mut_ptr().cast(), size_of_val(&ids[..])),
            Ids::Wide(ids) => (ids.as_mut_ptr().cast(), size_of_val(&ids[..])),
        };
        // SAFETY: Python gives a view to fill in. The memory stays where it is while this object lives,
        // because nothing changes the vector, and the view keeps the object alive.
        let status = unsafe {
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start, length.cast_signed(), 0, flags)
        };
        if status == 0 {
            Ok(())
        } else {
            Err(PyErr::fetch(slf.py()))
        }
    }
}
