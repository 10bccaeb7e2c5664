//! What userlib's files ask of the kernel for a thread.

use abi::Status;
use abi::syscall::CpuMask;

use crate::Refusal;
use crate::cpus::{self, CPUS};

pub use loom::thread::yield_now;

pub use crate::locks::lend;

/// On the first CPU of the mask that is online.
pub fn bind_self(cpus: &CpuMask) -> Result<(), Refusal> {
    let went = (0..CPUS).any(|cpu| cpus.contains(cpu) && cpus::go_to(cpu));
    went.then_some(()).ok_or(Refusal::new(Status::NotOnline))
}

/// The same; what follows a place is moved when its CPU goes.
pub fn bind_self_loosely(cpus: &CpuMask) -> Result<(), Refusal> {
    bind_self(cpus)
}
