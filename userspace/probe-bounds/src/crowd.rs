//! Many threads that wait for one thing, and what they wait for goes.

use userlib::abi::{Call, Handle, Registers, Rights};
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint};
use userlib::process::{CODE_ADDRESS, Child};
use userlib::syscall::ask;
use userlib::thread::{self, Place};
use userlib::{Refusal, machine, process};

use crate::Row;

/// Threads that wait.
const THREADS: usize = 1500;
/// Capabilities of a process, as many as a table has room for, less what it has anyway.
const CAPABILITIES: usize = 480;
/// Frames of a process that has next to nothing, and those for each CPU.
const FRAMES: u64 = 64;
const FRAMES_FOR_A_CPU: u64 = 2;

/// `mov eax, Call::Call; syscall; mov eax, Call::ThreadExit; syscall`, with the endpoint in `rdi`.
const CALLER: [u8; 14] = [
    0xb8,
    Call::Call as u8,
    0,
    0,
    0,
    0x0f,
    0x05,
    0xb8,
    Call::ThreadExit as u8,
    0,
    0,
    0,
    0x0f,
    0x05,
];

pub fn run(checks: &mut Checks) -> Result<(), Refusal> {
    let mut row = Row(checks);
    let (child, endpoint) = callers()?;
    row.of("endpoint-drop-with-callers", Ok(()), || {
        ipc::drop_capability(endpoint.0)
    });
    gone(&child)?;
    let (child, endpoint) = callers()?;
    row.of("process-end-with-threads", Ok(()), || child.end());
    // They are still in the endpoint's queue.
    row.of("endpoint-drop-with-dead-callers", Ok(()), || {
        ipc::drop_capability(endpoint.0)
    });
    gone(&child)?;
    let child = empty()?;
    for _ in 0..CAPABILITIES {
        let made = ask(Call::NotificationCreate, &Registers::default())?.0[0];
        child.grant(Handle(made), Rights::ALL, 0)?;
        ipc::drop_capability(Handle(made))?;
    }
    row.of("process-end-with-capabilities", Ok(()), || child.end());
    gone(&child)
}

/// A process with many threads that call an endpoint where nobody receives.
fn callers() -> Result<(Child, Endpoint), Refusal> {
    let endpoint = Endpoint::create()?;
    let child = empty()?;
    child.map_code(&CALLER)?;
    let theirs = child.grant(endpoint.0, Rights::SEND, 0)?;
    for _ in 0..THREADS {
        child.start_at(Place::Cpu(0), [CODE_ADDRESS, 0, theirs.0])?;
    }
    // A slice for each, at most.
    (0..THREADS).for_each(|_| thread::yield_now());
    Ok((child, endpoint))
}

fn empty() -> Result<Child, Refusal> {
    let frames = FRAMES + FRAMES_FOR_A_CPU * machine::possible_cpus() as u64;
    Child::create(frames, "bounds")
}

/// Lets go of a child, which has ended or ends now.
pub fn gone(child: &Child) -> Result<(), Refusal> {
    let _ = process::end(child.process());
    child.forget()
}
