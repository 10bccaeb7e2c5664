//! Who is called: a few instructions of machine code, in a process of their own or in this one.
//!
//! The code is copied into a page of the other process, so it names no address; it needs no stack.

use core::arch::global_asm;

use userlib::abi::fault::Verdict;
use userlib::abi::syscall::{DEFAULT_PRIORITY, Placement};
use userlib::abi::{Call, Handle, Rights, mark};
use userlib::ipc::Endpoint;
use userlib::memory::Memory;
use userlib::process::{self, CODE_ADDRESS, Child};
use userlib::thread::{self, Place};
use userlib::{Refusal, machine};

use crate::HIGHEST;

/// Frames for a page of code and its page tables; the window needs some for each CPU.
const FRAMES: u64 = 32;
const FRAMES_PER_CPU: u64 = 2;

global_asm!(
    ".global bench_echo, bench_clock, bench_clock_back, bench_echo_floor, bench_echo_fpu, bench_resume, bench_echo_long, bench_end",
    "bench_echo:",
    "mov rbx, rdi",
    "mov eax, {receive}",
    "2: syscall",
    "mov rdi, rbx",
    "mov eax, {reply_receive}",
    "jmp 2b",
    "bench_clock:",
    "mov rbx, rdi",
    "mov eax, {receive}",
    "3: syscall",
    "rdtsc",
    "shl rdx, 32",
    "or rax, rdx",
    ".byte 0x0f, 0x1f, 0x80",
    ".long {end}",
    "mov r13, rax",
    "mov rdi, rbx",
    "mov eax, {reply_receive}",
    "jmp 3b",
    "bench_clock_back:",
    "mov rbx, rdi",
    "mov eax, {receive}",
    "4: syscall",
    ".byte 0x0f, 0x1f, 0x80",
    ".long {begin}",
    "rdtsc",
    "shl rdx, 32",
    "or rax, rdx",
    "mov r13, rax",
    "mov rdi, rbx",
    "mov eax, {reply_receive}",
    "jmp 4b",
    "bench_echo_floor:",
    "mov rbx, rdi",
    "xor edi, edi",
    "mov esi, {highest}",
    "mov edx, 1",
    "mov eax, {priority}",
    "syscall",
    "mov rdi, rbx",
    "jmp bench_echo",
    "bench_echo_fpu:",
    "pxor xmm0, xmm0",
    "jmp bench_echo",
    // Lets whoever faulted go on behind the instruction, which has two bytes.
    "bench_resume:",
    "mov rbx, rdi",
    "mov eax, {receive}",
    "4: syscall",
    "mov esi, {resume_at}",
    "lea rdx, [r8 + 2]",
    "mov r10, r9",
    "mov rdi, rbx",
    "mov eax, {reply_receive}",
    "jmp 4b",
    // The handle of the memory for its message page is the one behind the endpoint's.
    "bench_echo_long:",
    "mov rbx, rdi",
    "lea rdi, [rbx + 1]",
    "xor esi, esi",
    "mov eax, {message_page}",
    "syscall",
    "mov rdi, rbx",
    "mov eax, {receive}",
    "5: syscall",
    "mov rdi, rbx",
    "mov eax, {reply_receive}",
    "jmp 5b",
    "bench_end:",
    receive = const Call::Receive as u64,
    reply_receive = const Call::ReplyReceive as u64,
    highest = const HIGHEST,
    priority = const Call::ThreadPriority as u64,
    message_page = const Call::MessagePage as u64,
    resume_at = const Verdict::ResumeAt as u64,
    begin = const mark::BEGIN,
    end = const mark::END,
);

unsafe extern "C" {
    static bench_echo: u8;
    static bench_clock: u8;
    static bench_clock_back: u8;
    static bench_echo_floor: u8;
    static bench_echo_fpu: u8;
    static bench_resume: u8;
    static bench_echo_long: u8;
    static bench_end: u8;
}

/// Code of a peer.
#[derive(Clone, Copy)]
pub struct Code {
    start: *const u8,
    bytes: usize,
    /// Where it begins in these bytes.
    skip: usize,
}

/// Answers every message with the same words.
pub fn echo() -> Code {
    between(&raw const bench_echo, &raw const bench_clock)
}

/// The same with FPU state of its own.
pub fn echo_fpu() -> Code {
    echo_from(&raw const bench_echo_fpu)
}

/// The same, at the highest priority whoever calls.
pub fn echo_floor() -> Code {
    echo_from(&raw const bench_echo_floor)
}

fn echo_from(entry: *const u8) -> Code {
    Code {
        skip: entry as usize - &raw const bench_echo as usize,
        ..between(&raw const bench_echo, &raw const bench_end)
    }
}

/// The same, with the time stamp at its receipt in the last word. The witness' window ends there.
pub fn clock() -> Code {
    between(&raw const bench_clock, &raw const bench_clock_back)
}

/// The same; the witness' window begins there.
pub fn clock_back() -> Code {
    between(&raw const bench_clock_back, &raw const bench_echo_floor)
}

/// Answers faults at an instruction of two bytes: the thread goes on behind it.
pub fn resume() -> Code {
    between(&raw const bench_resume, &raw const bench_echo_long)
}

/// Answers every message of ten words with the same words.
pub fn echo_long() -> Code {
    between(&raw const bench_echo_long, &raw const bench_end)
}

fn between(start: *const u8, end: *const u8) -> Code {
    Code {
        start,
        bytes: end as usize - start as usize,
        skip: 0,
    }
}

/// In which address space a peer lives.
pub enum Home {
    /// One of its own.
    Other,
    /// The bench's.
    Own,
}

/// A thread that answers.
pub struct Peer {
    /// Where it is called.
    pub endpoint: Endpoint,
}

impl Peer {
    /// Starts it on the caller's CPU, which is 0.
    pub fn start(home: Home, code: Code) -> Result<Peer, Refusal> {
        let endpoint = Endpoint::create()?;
        match home {
            Home::Other => start_elsewhere(endpoint, code)?,
            Home::Own => {
                // It lives as long as the program.
                let _ = thread::spawn(Place::Cpu(0), move || serve(endpoint))?;
            }
        }
        Ok(Peer { endpoint })
    }
}

fn start_elsewhere(endpoint: Endpoint, code: Code) -> Result<(), Refusal> {
    let skip = code.skip as u64;
    let (child, theirs) = fill(endpoint, code)?;
    child.start_at(Place::Cpu(0), [CODE_ADDRESS + skip, 0, theirs.0])
}

/// A process with this code and a handle of the endpoint.
fn fill(endpoint: Endpoint, code: Code) -> Result<(Child, Handle), Refusal> {
    let frames = FRAMES + FRAMES_PER_CPU * machine::possible_cpus() as u64;
    let child = Child::create(frames, "bench-peer")?;
    // SAFETY: the bytes between the two labels are this program's code.
    let bytes = unsafe { core::slice::from_raw_parts(code.start, code.bytes) };
    child.map_code(bytes)?;
    let theirs = process::grant(child.process(), endpoint.0, Rights::RECEIVE, 0)?;
    process::set_priority(child.process(), HIGHEST, DEFAULT_PRIORITY)?;
    let page = Memory::create(child.process(), 1, Placement::Anywhere)?;
    child.grant(page.handle(), Rights::READ.or(Rights::WRITE), 0)?;
    Ok((child, theirs))
}

/// A server of another process with a thread on each of these CPUs, all at one endpoint.
pub struct Crew {
    /// Where it is called.
    pub endpoint: Endpoint,
}

impl Crew {
    /// Starts it.
    pub fn start(cpus: impl Iterator<Item = usize>) -> Result<Crew, Refusal> {
        let endpoint = Endpoint::create()?;
        let (child, theirs) = fill(endpoint, echo())?;
        for cpu in cpus {
            child.start_at(Place::Cpu(cpu), [CODE_ADDRESS, 0, theirs.0])?;
        }
        Ok(Crew { endpoint })
    }
}

/// The echo in this program.
fn serve(endpoint: Endpoint) -> u64 {
    let code: extern "C" fn(u64) -> ! = {
        let start = &raw const bench_echo;
        // SAFETY: the code takes its argument in `rdi`, uses no stack and never returns.
        unsafe { core::mem::transmute(start) }
    };
    code(endpoint.0.0)
}
