//! Visiting CPUs: the one sound way to change another CPU's cells.
//!
//! A word that is used by unlocked instructions must not be written from elsewhere. So whoever wants to change
//! the copies of other CPUs goes there, one after the other, and does the one instruction on the spot.
//!
//! A CPU may go while somebody visits it. The visitor is bound loosely, so it is not suspended then, but goes on elsewhere;
//! it finds out, and deals with that CPU once more. The copies of a CPU that is off can be changed by the kernel alone,
//! which knows that it stays off meanwhile: `PerCpuCell::exchange_parked`.

use abi::Status;
use abi::syscall::CpuMask;

use crate::{Refusal, machine, thread};

/// Moves the calling thread to every CPU that is online, one after the other, calls `body` there with the CPU's
/// number, and binds the thread to `home` in the end. The kernel does not tell which CPUs a thread was bound to
/// before, so the caller says it.
///
/// When CPUs go or come meanwhile, `body` may be called more than once for a CPU, and the first times on another one.
/// The last time it was on that CPU from beginning to end, or the CPU has gone.
///
/// Costs a system call and a wait for the CPU's queue for each CPU: milliseconds on a busy machine.
///
/// # Errors
/// The kernel's refusal; some CPUs may have been visited then, and the thread may not be back at `home`.
pub fn every_cpu(home: &CpuMask, body: impl FnMut(usize)) -> Result<(), Refusal> {
    every_unit(home, body, |_| Ok(()))
}

/// The same for the CPUs that are online, and calls `parked` for those that are not, wherever the thread is. That
/// changes copies with `PerCpuCell::exchange_parked`, and gives its refusal back.
///
/// # Errors
/// As for [`every_cpu`].
pub fn every_unit(
    home: &CpuMask,
    mut body: impl FnMut(usize),
    mut parked: impl FnMut(usize) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    for cpu in 0..machine::possible_cpus() {
        loop {
            let done = match machine::is_online(cpu) {
                true => visit(cpu, &mut body),
                false => parked(cpu),
            };
            match done.map_err(|refusal| refusal.status) {
                Ok(()) => break,
                // It has just gone, or come.
                Err(Status::NotOnline | Status::AlreadyOnline) => thread::yield_now(),
                Err(_) => return done,
            }
        }
    }
    thread::bind_self(home)
}

/// Once on a CPU; `NotOnline` when it may have gone before the end.
fn visit(cpu: usize, body: &mut impl FnMut(usize)) -> Result<(), Refusal> {
    let before = machine::generation();
    thread::bind_self_loosely(&CpuMask::only(cpu))?;
    body(cpu);
    match machine::generation() == before {
        true => Ok(()),
        false => Err(Refusal::new(Status::NotOnline)),
    }
}
