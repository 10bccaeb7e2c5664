//! Other processes, of a page of machine code each: one that answers, and one that calls and adds up.

use core::arch::global_asm;

use userlib::Refusal;
use userlib::abi::syscall::{Placement, access};
use userlib::abi::{Call, Rights};
use userlib::ipc::Endpoint;
use userlib::memory::Memory;
use userlib::process::{self, CODE_ADDRESS, Child};
use userlib::thread::Place;

/// Frames for a page of code and its page tables.
pub const FRAMES: u64 = 32;
/// See [`reading`].
pub const READ: u64 = 7;
/// See [`reading`].
pub const PAGE: u64 = 0x50_0000;
/// Calls of a caller.
pub const CALLS: u64 = 1500;

global_asm!(
    ".global probe_answer, probe_add_up, probe_read, probe_nest, probe_code_end",
    "probe_answer:",
    "mov rbx, rdi",
    "mov eax, {receive}",
    "2: syscall",
    "mov rdi, rbx",
    "mov eax, {reply_receive}",
    "jmp 2b",
    // The sum of the answers' first words, or -1, is the exit code.
    "probe_add_up:",
    "mov rbx, rdi",
    "xor ebp, ebp",
    "mov r15d, {calls}",
    "3: mov rdi, rbx",
    "mov esi, 1",
    "mov edx, 1",
    "xor r14d, r14d",
    "mov eax, {call}",
    "syscall",
    "test eax, eax",
    "jnz 4f",
    "add rbp, rdx",
    "dec r15d",
    "jnz 3b",
    "mov rdi, rbp",
    "5: mov eax, {exit}",
    "syscall",
    "4: mov rdi, -1",
    "jmp 5b",
    // Reads the page again and again when it is told so.
    "probe_read:",
    "mov rbx, rdi",
    "mov eax, {receive}",
    "6: syscall",
    "mov rdi, rbx",
    "cmp esi, {read}",
    "mov eax, {reply_receive}",
    "jne 6b",
    "mov rbx, {page}",
    "7: mov rax, [rbx]",
    "jmp 7b",
    // Receives once, and calls by the handle behind its own before it would answer.
    "probe_nest:",
    "mov rbx, rdi",
    "mov eax, {receive}",
    "syscall",
    "lea rdi, [rbx + 1]",
    "xor r14d, r14d",
    "mov eax, {call}",
    "syscall",
    "ud2",
    "probe_code_end:",
    read = const READ,
    page = const PAGE,
    receive = const Call::Receive as u64,
    reply_receive = const Call::ReplyReceive as u64,
    call = const Call::Call as u64,
    calls = const CALLS,
    exit = const Call::ProcessExit as u64,
);

unsafe extern "C" {
    static probe_answer: u8;
    static probe_add_up: u8;
    static probe_read: u8;
    static probe_nest: u8;
    static probe_code_end: u8;
}

/// A process that answers every message with the same words.
pub fn answering(endpoint: Endpoint, place: Place) -> Result<Child, Refusal> {
    start(
        endpoint,
        Rights::RECEIVE,
        place,
        (&raw const probe_answer, &raw const probe_add_up),
    )
}

/// A process that calls [`CALLS`] times with a 1 and ends with the sum of the answers.
pub fn calling(endpoint: Endpoint, place: Place) -> Result<Child, Refusal> {
    start(
        endpoint,
        Rights::SEND,
        place,
        (&raw const probe_add_up, &raw const probe_read),
    )
}

/// A process that answers like [`answering`], but for the label [`READ`]: then it reads its page at [`PAGE`] for ever.
pub fn reading(endpoint: Endpoint, place: Place) -> Result<Child, Refusal> {
    let child = start(
        endpoint,
        Rights::RECEIVE,
        place,
        (&raw const probe_read, &raw const probe_nest),
    )?;
    let page = Memory::create(child.process(), 1, Placement::Anywhere)?;
    child.map(&page, PAGE, access::READ)?;
    Ok(child)
}

/// A process that receives a message at the first endpoint, and calls at the second before it would answer.
pub fn nesting(endpoints: [Endpoint; 2], place: Place) -> Result<Child, Refusal> {
    let child = Child::create(FRAMES, "probe-child")?;
    map_code(&child, (&raw const probe_nest, &raw const probe_code_end))?;
    let first = process::grant(child.process(), endpoints[0].0, Rights::RECEIVE, 0)?;
    // The code knows that the slots of a new table follow each other.
    let second = process::grant(child.process(), endpoints[1].0, Rights::SEND, 0)?;
    assert!(second.0 == first.0 + 1, "slots of a new table follow each other");
    child.start_at(place, [CODE_ADDRESS, 0, first.0])?;
    Ok(child)
}

fn start(
    endpoint: Endpoint,
    rights: Rights,
    place: Place,
    code: (*const u8, *const u8),
) -> Result<Child, Refusal> {
    let child = Child::create(FRAMES, "probe-child")?;
    map_code(&child, code)?;
    let handle = process::grant(child.process(), endpoint.0, rights, 0)?;
    child.start_at(place, [CODE_ADDRESS, 0, handle.0])?;
    Ok(child)
}

/// Maps the code between two labels.
pub fn map_code(child: &Child, (from, to): (*const u8, *const u8)) -> Result<(), Refusal> {
    // SAFETY: the bytes between the two labels are this program's code.
    let code = unsafe { core::slice::from_raw_parts(from, to as usize - from as usize) };
    child.map_code(code)
}
