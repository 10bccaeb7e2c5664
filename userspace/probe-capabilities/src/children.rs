//! Other processes, of a page of machine code each: one that answers, and one that calls until it is refused.

use core::arch::global_asm;

use userlib::abi::Call;
use userlib::process::{CODE_ADDRESS, Child};
use userlib::thread::Place;
use userlib::{Refusal, machine};

/// Frames beside those for the window's page tables.
const FRAMES: u64 = 60;

global_asm!(
    ".global capabilities_answer, capabilities_call, capabilities_code_end",
    // Receives at rdi, and answers everything with the same words and no capability.
    "capabilities_answer:",
    "mov rbx, rdi",
    "mov eax, {receive}",
    "2: syscall",
    "test eax, eax",
    "jnz 4f",
    "xor r14d, r14d",
    "mov rdi, rbx",
    "mov eax, {reply_receive}",
    "jmp 2b",
    // Calls rdi until it is refused; the status is the exit code.
    "capabilities_call:",
    "mov rbx, rdi",
    "3: mov rdi, rbx",
    "mov esi, 1",
    "xor r14d, r14d",
    "mov eax, {call}",
    "syscall",
    "test eax, eax",
    "jz 3b",
    "4: mov edi, eax",
    "mov eax, {exit}",
    "syscall",
    "capabilities_code_end:",
    receive = const Call::Receive as u64,
    reply_receive = const Call::ReplyReceive as u64,
    call = const Call::Call as u64,
    exit = const Call::ProcessExit as u64,
);

unsafe extern "C" {
    static capabilities_answer: u8;
    static capabilities_call: u8;
    static capabilities_code_end: u8;
}

/// A process that will answer.
pub fn answering() -> Result<Child, Refusal> {
    make(&raw const capabilities_answer, &raw const capabilities_code_end)
}

/// A process that will call until it is refused.
pub fn calling() -> Result<Child, Refusal> {
    make(&raw const capabilities_call, &raw const capabilities_code_end)
}

fn make(from: *const u8, to: *const u8) -> Result<Child, Refusal> {
    let child = Child::create(FRAMES + machine::possible_cpus() as u64, "probe-child")?;
    // SAFETY: the bytes between the two labels are this program's code, which is never written.
    let code = unsafe { core::slice::from_raw_parts(from, to as usize - from as usize) };
    child.map_code(code)?;
    Ok(child)
}

/// Starts it with a handle of its.
pub fn start(child: &Child, handle: userlib::abi::Handle) -> Result<(), Refusal> {
    child.start_at(Place::Anywhere, [CODE_ADDRESS, 0, handle.0])
}
