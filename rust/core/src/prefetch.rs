//! How memory that is needed soon is asked for while something else is done.

/// Ask the processor to bring the item at `index` closer; outside of the slice, and on processors
/// where Rust has no stable way to ask, nothing happens.
#[inline]
pub(crate) fn prefetch<T>(items: &[T], index: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(item) = items.get(index) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: The address is that of a reference; besides, a prefetch of any address is harmless.
        #[allow(unsafe_code)]
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(item).cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (items, index);
}
