//! Writing into frames that the kernel owns or has given to a program.

use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

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

/// Writes a word that programs may be reading, at an offset that is a multiple of 8.
pub fn store(frame: PhysicalFrame, offset: usize, word: u64) {
    check_word(offset, 8);
    // SAFETY: the word lies in the frame, aligned; all others who use it while programs see it read it atomically.
    let at = unsafe { AtomicU64::from_ptr(frame.pointer().add(offset).cast()) };
    at.store(word, Ordering::Release);
}

/// Changes 1, 2, 4 or 8 bytes from `expected` to `new`, if they are so, at an offset that is a multiple of that; what was
/// there. Both words fit into so many bytes.
pub fn exchange(frame: PhysicalFrame, offset: usize, bytes: u64, [expected, new]: [u64; 2]) -> u64 {
    check_word(offset, bytes as usize);
    let at = frame.pointer().wrapping_add(offset);
    macro_rules! exchange {
        ($atomic:ident, $word:ident) => {{
            // SAFETY: the word lies in the frame, aligned, and programs use it atomically or by single instructions.
            let at = unsafe { $atomic::from_ptr(at.cast()) };
            let exchanged =
                at.compare_exchange(expected as $word, new as $word, Ordering::SeqCst, Ordering::SeqCst);
            u64::from(exchanged.unwrap_or_else(|found| found))
        }};
    }
    match bytes {
        1 => exchange!(AtomicU8, u8),
        2 => exchange!(AtomicU16, u16),
        4 => exchange!(AtomicU32, u32),
        _ => exchange!(AtomicU64, u64),
    }
}

fn check_word(offset: usize, bytes: usize) {
    assert!(
        offset.is_multiple_of(bytes) && offset + bytes <= PAGE_SIZE as usize,
        "a word lies in a frame as a whole"
    );
}
