//! Processes of a page of machine code, a page of data and a stack, that harm nobody but themselves.

use userlib::abi::syscall::{End, Placement, access};
use userlib::memory::Memory;
use userlib::process::{self, CODE_ADDRESS, Child};
use userlib::thread::Place;
use userlib::{Refusal, machine};

/// Where a child's data page lies.
pub const DATA_ADDRESS: u64 = 0x50_0000;
/// Where its stack ends.
const STACK_END: u64 = 0x60_1000;
/// Frames beside those for the window's page tables.
const FRAMES: u64 = 40;

/// A child without a thread.
pub fn make() -> Result<Child, Refusal> {
    Child::create(FRAMES + machine::possible_cpus() as u64, "hostile-child")
}

/// Runs code in a process of its own, to its end.
pub fn run(code: &[u8]) -> Result<End, Refusal> {
    let child = make()?;
    child.map_code(code)?;
    let end = run_at(&child, CODE_ADDRESS);
    child.let_go()?;
    end
}

/// Gives a child a stack, and runs it from this address on, to its end.
pub fn run_at(child: &Child, entry: u64) -> Result<End, Refusal> {
    let stack = Memory::create(child.process(), 1, Placement::Anywhere)?;
    child.map(&stack, STACK_END - 0x1000, access::WRITE)?;
    child.start_at(Place::Anywhere, [entry, STACK_END, 0])?;
    process::wait(child.process())
}
