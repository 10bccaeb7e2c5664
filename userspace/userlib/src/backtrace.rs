//! Where a panicking thread came from: the return addresses on its stack, for the launcher to explain.

use core::arch::asm;
use core::fmt;
use core::ptr::with_exposed_provenance;

/// Most frames that are followed: as many addresses as fit into one printed line.
const MOST_FRAMES: usize = 24;
/// No frame is larger, and no stack has more above a frame: what lies farther away is no frame.
const FARTHEST: usize = 64 << 10;

/// A frame of the calling thread. Prints as the return addresses from there on, innermost first.
///
/// Every function of a program keeps a frame pointer (the launcher builds them so), and `_start` and the
/// threads' entry begin the chain with zero. A function that used the register for something else would cut
/// the chain, which is why only frames above the last one and near it are followed.
#[derive(Clone, Copy, Debug)]
pub struct Backtrace(usize);

impl Backtrace {
    /// From the calling function on.
    #[inline(always)]
    pub fn here() -> Backtrace {
        let frame: usize;
        // SAFETY: reads a register.
        unsafe { asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack, preserves_flags)) };
        Backtrace(frame)
    }
}

impl fmt::Display for Backtrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut frame = self.0;
        for _ in 0..MOST_FRAMES {
            if frame == 0 || !frame.is_multiple_of(size_of::<usize>()) {
                break;
            }
            // SAFETY: a frame pointer points to the caller's frame pointer and the return address, both on
            // this thread's stack.
            let [next, address] = unsafe { *with_exposed_provenance::<[usize; 2]>(frame) };
            write!(f, " {address:#x}")?;
            let is_near = next > frame && next - frame < FARTHEST;
            frame = if is_near { next } else { 0 };
        }
        Ok(())
    }
}
