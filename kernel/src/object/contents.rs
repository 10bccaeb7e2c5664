//! Writing into frames that the kernel owns or has given to a program.

use abi::PAGE_SIZE;

use crate::memory::frame::PhysicalFrame;

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
