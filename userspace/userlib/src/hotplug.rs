//! CPUs that go and come, for whoever holds the machine.

use abi::{Call, Handle, Registers, Status};

use crate::notification::Notification;
use crate::syscall::ask;
use crate::{Refusal, thread};

/// Takes a CPU off. It is parked when this returns: its threads are elsewhere, or suspended if they are bound to it; its
/// units stay. A thread that is suspended keeps the locks that it holds.
///
/// # Errors
/// The kernel's refusal: `BootCpu`, `NotOnline`, `BadArgument`.
pub fn take_off(machine: Handle, cpu: usize) -> Result<(), Refusal> {
    again_while_others_change(Call::CpuOffline, machine, cpu)
}

/// Brings a CPU back. It is online when this returns.
///
/// # Errors
/// The kernel's refusal: `AlreadyOnline`, `NotPresent`, `BadArgument`.
pub fn bring_back(machine: Handle, cpu: usize) -> Result<(), Refusal> {
    again_while_others_change(Call::CpuOnline, machine, cpu)
}

/// One CPU goes or comes at a time; the others wait here.
fn again_while_others_change(call: Call, machine: Handle, cpu: usize) -> Result<(), Refusal> {
    loop {
        match ask(call, &Registers::of(&[machine.0, cpu as u64])) {
            Err(refusal) if refusal.status == Status::CpusChanging => thread::yield_now(),
            other => return other.map(drop),
        }
    }
}

/// Gets the bits `gone` whenever a CPU was taken off, and `come` whenever one is online again.
///
/// # Errors
/// The kernel's refusal.
pub fn notice(machine: Handle, told: Notification, gone: u64, come: u64) -> Result<(), Refusal> {
    ask(
        Call::CpuNotice,
        &Registers::of(&[machine.0, told.0.0, gone, come]),
    )
    .map(drop)
}
