//! Checks messages where the kernel has a short way and a long one: whatever forbids the short way is tried,
//! and the outcome is the same as by the long one.
//!
//! The first thread and most of its helpers stay on CPU 0, where giving the CPU away lets the others go on until
//! they wait.
#![no_std]
#![no_main]

#[expect(unsafe_code, reason = "machine code for other processes")]
mod children;
mod endpoints;
mod ends;
#[expect(unsafe_code, reason = "machine code that faults")]
mod faults;
#[expect(unsafe_code, reason = "fills and reads the registers of the FPU")]
mod fpu;
mod handles;
mod helpers;
mod lending;
#[expect(unsafe_code, reason = "names memory that the kernel may write")]
mod long;
mod places;
mod priorities;
#[expect(unsafe_code, reason = "sets and reads registers around calls")]
mod registers;
mod sums;
mod waits;

use userlib::abi::Handle;
use userlib::abi::syscall::{CpuMask, DEFAULT_PRIORITY};
use userlib::checks::Checks;
use userlib::{Refusal, entry, process, thread};

entry!(main);

fn main() -> Result<u64, Refusal> {
    thread::bind_self(&CpuMask::only(0))?;
    // As urgent as the processes that it starts, until priorities are checked.
    process::set_priority(process::own(), priorities::TOP, DEFAULT_PRIORITY)?;
    thread::set_priority(Handle::NONE, DEFAULT_PRIORITY)?;
    let mut checks = Checks::new();
    handles::check(&mut checks)?;
    places::check(&mut checks)?;
    registers::check(&mut checks)?;
    fpu::check(&mut checks)?;
    ends::check(&mut checks)?;
    waits::check(&mut checks)?;
    long::check(&mut checks)?;
    faults::check(&mut checks)?;
    sums::check(&mut checks)?;
    endpoints::check(&mut checks)?;
    priorities::check(&mut checks)?;
    Ok(checks.code())
}
