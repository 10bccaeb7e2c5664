//! Visiting CPUs: the one sound way to change another CPU's cells.
//!
//! A word that is used by unlocked instructions must not be written from elsewhere. So whoever wants to change
//! the copies of other CPUs goes there, one after the other, and does the one instruction on the spot.

use abi::syscall::CpuMask;

use crate::{Refusal, machine, thread};

/// Moves the calling thread to every CPU that is online, one after the other, calls `body` there with the CPU's
/// number, and binds the thread to `home` in the end. The kernel does not tell which CPUs a thread was bound to
/// before, so the caller says it.
///
/// Costs a system call and a wait for the CPU's queue for each CPU: milliseconds on a busy machine.
///
/// # Errors
/// The kernel's refusal; some CPUs may have been visited then, and the thread may not be back at `home`.
pub fn every_cpu(home: &CpuMask, mut body: impl FnMut(usize)) -> Result<(), Refusal> {
    for cpu in machine::online() {
        thread::bind_self(&CpuMask::only(cpu))?;
        body(cpu);
    }
    thread::bind_self(home)
}
