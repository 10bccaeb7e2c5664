//! Writing into frames that the kernel owns or has given to a program.

use abi::PAGE_SIZE;

use crate::memory::frame::PhysicalFrame;

/// Copies words from one place in the physical map to another: message pages of living threads.
pub fn copy_words(from: u64, to: u64, count: usize) {
    assert!(from != 0 && to != 0, "both threads have a message page");
    let (from, to) = (from as *const u64, to as *mut u64);
    // SAFETY: both lie in frames of memory objects that the threads keep (`ipc/pages.rs`), aligned, and end in the same
    // page; the kernel holds no reference to them. They may be the same.
    unsafe { from.copy_to(to, count) };
}

/// Writes bytes into a frame, from `offset` on.
pub fn write(frame: PhysicalFrame, offset: usize, bytes: &[u8]) {
    assert!(
        offset + bytes.len() <= PAGE_SIZE as usize,
        "a frame has no byte behind its end"
    );
    // SAFETY: the bytes lie in the frame, which is in the physical map. It belongs to a memory object or to
    // the header pages, of which the kernel holds no reference; programs that see it share it knowingly.
    unsafe {
        frame
            .pointer()
            .add(offset)
            .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
    }
}
