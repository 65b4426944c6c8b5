//! Memory of one input, counted by the allocator: a reader that takes more than it may is found out at the very allocation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most that one input may hold at a time. Inputs are at most 32 KiB: two thousand times as much is a fault.
pub const BYTES_MAX: usize = 64 << 20;
/// The same of a model file: its sets of categories are bounded by their own limit, and may be that large whatever the file is.
pub const MODEL_BYTES_MAX: usize = 320 << 20;
/// The same of frames: room for a whole one is made when its length is known, and there may be as many bytes of it.
pub const FRAME_BYTES_MAX: usize = BYTES_MAX + tidegate_serve::limits::FRAME_BYTES_MAX;

/// Counts what is held.
struct Meter;

#[global_allocator]
static METER: Meter = Meter;
static HELD: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        take(size.saturating_sub(layout.size()));
        HELD.fetch_sub(layout.size().saturating_sub(size), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn take(bytes: usize) {
    let held = HELD.fetch_add(bytes, Ordering::Relaxed) + bytes;
    let limit = LIMIT.load(Ordering::Relaxed);
    if held > limit {
        // What says so needs memory too.
        LIMIT.store(usize::MAX, Ordering::Relaxed);
        panic!("an input holds {held} bytes, more than it may: {bytes} of them are asked for here");
    }
}

/// Does `work`, which may hold so many bytes more.
pub fn within(most: usize, work: impl FnOnce()) {
    LIMIT.store(HELD.load(Ordering::Relaxed).saturating_add(most), Ordering::Relaxed);
    work();
    LIMIT.store(usize::MAX, Ordering::Relaxed);
}
