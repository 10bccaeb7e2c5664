//! Handling faults of threads: a program that holds a thread or process has their faults told to an endpoint.

use abi::fault::FAULT_REGISTERS;
use abi::{Call, Handle, Message, Registers};

pub use abi::fault::{Fault, FaultRegisters, Verdict};

use crate::Refusal;
use crate::ipc::Endpoint;
use crate::syscall::{ask, command};

/// Has faults of a thread or process told at an endpoint, with the badge of this capability; [`Handle::NONE`] is the calling
/// thread. Without an endpoint faults end the process.
///
/// # Errors
/// The kernel's refusal.
pub fn tell(whose: Handle, endpoint: Option<Endpoint>) -> Result<(), Refusal> {
    let endpoint = endpoint.map_or(Handle::NONE, |endpoint| endpoint.0);
    ask(Call::ThreadFaults, &Registers::of(&[whose.0, endpoint.0])).map(drop)
}

/// The answer that lets a thread try again.
#[must_use]
pub const fn resume() -> Message {
    Message::new(Verdict::Resume as u64, [0; 6])
}

/// The answer that lets a thread go on elsewhere.
#[must_use]
pub const fn resume_at(instruction: u64, stack: u64) -> Message {
    Message::new(Verdict::ResumeAt as u64, [instruction, stack, 0, 0, 0, 0])
}

/// The answer that ends the process.
#[must_use]
pub const fn end() -> Message {
    Message::new(Verdict::End as u64, [0; 6])
}

/// All registers of the thread whose fault the calling thread received last.
///
/// # Errors
/// The kernel's refusal.
pub fn registers() -> Result<FaultRegisters, Refusal> {
    let mut words = [0_u64; FAULT_REGISTERS];
    let address = (&raw mut words).expose_provenance() as u64;
    // SAFETY: 1. the kernel writes the words, which are borrowed by nobody. 2. starts no thread.
    unsafe { command(Call::FaultRegisters, &Registers::of(&[address]))? };
    Ok(FaultRegisters::decode(&words))
}

/// Changes all registers of that thread; they hold when it is resumed.
///
/// # Errors
/// The kernel's refusal.
pub fn set_registers(registers: &FaultRegisters) -> Result<(), Refusal> {
    let words = registers.encode();
    let address = (&raw const words).expose_provenance() as u64;
    ask(Call::FaultSetRegisters, &Registers::of(&[address])).map(drop)
}
