//! What processor and system are told of tables that are looked up at random; no result depends on it.

/// Bytes of a large page.
pub(crate) const HUGE_PAGE: usize = 2 << 20;

/// Ask for large pages under `memory`, except where it shares one with something else.
///
/// With pages of 4 KiB nearly every look-up in a table of some MiB also looks for its page, and fresh
/// memory is given out in steps of one.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
pub(crate) fn prefer_huge_pages<T>(memory: &mut [T]) {
    let start = memory.as_mut_ptr().cast::<u8>();
    let before = start.align_offset(HUGE_PAGE);
    let length = size_of_val(memory).saturating_sub(before) / HUGE_PAGE * HUGE_PAGE;
    if length > 0 {
        // SAFETY: the range lies in memory that we hold alone, and this advice does not change what is
        // in it. Where it is refused, nothing is lost but speed.
        unsafe { libc::madvise(start.add(before).cast(), length, libc::MADV_HUGEPAGE) };
    }
}

/// Other systems are not asked.
#[cfg(not(target_os = "linux"))]
pub(crate) fn prefer_huge_pages<T>(_: &mut [T]) {}

/// Make `items` a number of copies of `item`, in large pages where it is worth it.
pub(crate) fn fill<T: Copy>(items: &mut Vec<T>, item: T, length: usize) {
    items.clear();
    items.reserve_exact(length);
    prefer_huge_pages(items.spare_capacity_mut());
    items.resize(length, item);
}

/// Begin to load the cache line of `items[index]`, which is read a little later.
///
/// Outside of the slice, and on processors where Rust has no stable way to ask, nothing happens.
#[inline]
pub(crate) fn prefetch<T>(items: &[T], index: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(item) = items.get(index) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: all processors of this architecture know the instruction, and it reads nothing.
        #[allow(unsafe_code)]
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(item).cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (items, index);
}
