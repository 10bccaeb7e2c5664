//! Processes that end while their thread is suspended: they come back, although the CPU of the thread stays off.

use userlib::Refusal;
use userlib::abi::{Call, Handle, Rights};
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint};
use userlib::process::{self, CODE_ADDRESS, Child};
use userlib::thread::Place;

use crate::helpers::{off, on, soon, yield_for_long};

const CPU: usize = 1;
const FRAMES: u64 = 32;
/// `jmp $`
const TURN: [u8; 9] = [0xeb, 0xfe, 0, 0, 0, 0, 0, 0, 0];
/// `mov eax, Receive; syscall; ud2`
const RECEIVE: [u8; 9] = [0xb8, Call::Receive as u8, 0, 0, 0, 0x0f, 0x05, 0x0f, 0x0b];

/// Checks everything in this file.
pub fn check(checks: &mut Checks, machine: Handle) {
    for (name, code) in [
        ("ended-while-suspended-is-back", TURN),
        ("ended-receiver-while-suspended-is-back", RECEIVE),
    ] {
        // The first round may leave page tables behind.
        let is_back = ends(machine, &code).and_then(|_| ends(machine, &code));
        checks.equal(name, is_back, Ok(true));
    }
}

/// Whether all frames come back.
fn ends(machine: Handle, code: &[u8]) -> Result<bool, Refusal> {
    let used = || process::stats(process::own()).map(|stats| stats.frames_used);
    let endpoint = Endpoint::create()?;
    let before = used()?;
    let child = Child::create(FRAMES, "suspended")?;
    child.map_code(code)?;
    let there = child.grant(endpoint.0, Rights::ALL, 0)?;
    child.start_at(Place::Cpu(CPU), [CODE_ADDRESS, 0, there.0])?;
    yield_for_long();
    off(machine, CPU)?;
    child.let_go()?;
    let is_back = soon(|| used() == Ok(before));
    on(machine, CPU)?;
    ipc::drop_capability(endpoint.0)?;
    Ok(is_back)
}
