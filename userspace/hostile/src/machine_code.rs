//! Code for processes that call the kernel at random, and for such that make more of their kind.

use core::arch::global_asm;

use userlib::abi::syscall::{ANY_CPU, access};
use userlib::abi::{Call, Rights};
use userlib::process::CODE_ADDRESS;

use crate::child::DATA_ADDRESS;

/// Where the words that it chooses from stand in the data page of a storm.
pub const WORDS_OFFSET: usize = 0x100;
/// How many there are.
pub const WORDS: usize = 64;
/// The handle of the first capability of a new process.
const FIRST: u64 = 0x1_0001;
/// The handle of the second one.
const SECOND: u64 = 0x1_0002;

global_asm!(
    ".global hostile_storm, hostile_bomb, hostile_touch, hostile_wait, hostile_code_end",
    // Calls with random numbers and words, for ever. The two calls that only end the caller are left out. r15: the
    // generator; rbp: the data, whose first word counts.
    "hostile_storm:",
    "mov r15, rdi",
    "mov ebp, {data}",
    ".macro RANDOM",
    "mov rcx, r15",
    "shl rcx, 13",
    "xor r15, rcx",
    "mov rcx, r15",
    "shr rcx, 7",
    "xor r15, rcx",
    "mov rcx, r15",
    "shl rcx, 17",
    "xor r15, rcx",
    ".endm",
    ".macro WORD register",
    "RANDOM",
    "mov rcx, r15",
    "shr rcx, 20",
    "and ecx, {words} - 1",
    "mov \\register, [rbp + rcx * 8 + {offset}]",
    // One in eight is any word at all.
    "test r15d, 7",
    "cmovz \\register, r15",
    ".endm",
    "2: lock inc qword ptr [rbp]",
    "WORD rdi",
    "WORD rsi",
    "WORD rdx",
    "WORD r10",
    "WORD r8",
    "WORD r9",
    "WORD r12",
    "WORD r13",
    "WORD r14",
    "RANDOM",
    "mov rax, r15",
    "test al, al",
    "jz 3f",
    "shr rax, 32",
    "and eax, 63",
    "cmp eax, {process_exit}",
    "je 2b",
    "cmp eax, {thread_exit}",
    "je 2b",
    "3: syscall",
    "jmp 2b",
    // Makes processes of its kind as long as it can, each with half of what is left, or one with nearly all of it, as
    // rdi says; then waits for ever.
    "hostile_bomb:",
    "mov r15, rdi",
    "4: mov rdi, {first}",
    "mov eax, {stats}",
    "syscall",
    "sub r10, rdx",
    "mov rdi, r10",
    "shr rdi, 1",
    "test r15, r15",
    "jz 5f",
    "lea rdi, [r10 - 24]",
    "5: xor esi, esi",
    "xor edx, edx",
    "mov eax, {create}",
    "syscall",
    "test eax, eax",
    "jnz 6f",
    "mov rbx, rdi",
    "mov rsi, rbx",
    "mov edx, {all}",
    "xor r10d, r10d",
    "mov eax, {grant}",
    "syscall",
    "test eax, eax",
    "jnz 6f",
    "mov rdi, rbx",
    "mov rsi, {second}",
    "mov edx, {all}",
    "xor r10d, r10d",
    "mov eax, {grant}",
    "syscall",
    "test eax, eax",
    "jnz 6f",
    "mov rdi, rbx",
    "mov rsi, {second}",
    "mov edx, {code}",
    "xor r10d, r10d",
    "mov r8d, 1",
    "mov r9d, {execute}",
    "mov eax, {map}",
    "syscall",
    "test eax, eax",
    "jnz 6f",
    "mov rdi, rbx",
    "mov esi, {code}",
    "xor edx, edx",
    "mov r10, r15",
    "mov r8, {any}",
    "mov eax, {thread}",
    "syscall",
    "test r15, r15",
    "jz 4b",
    "6: mov rdi, {first}",
    "mov eax, {wait}",
    "syscall",
    "jmp 6b",
    // Writes its data page, for ever.
    "hostile_touch:",
    "mov ebp, {data}",
    "7: inc qword ptr [rbp]",
    "jmp 7b",
    // Waits at the notification rdi, for ever.
    "hostile_wait:",
    "mov rbx, rdi",
    "8: mov rdi, rbx",
    "mov eax, {notification_wait}",
    "syscall",
    "jmp 8b",
    "hostile_code_end:",
    data = const DATA_ADDRESS,
    words = const WORDS,
    offset = const WORDS_OFFSET,
    process_exit = const Call::ProcessExit as u64,
    thread_exit = const Call::ThreadExit as u64,
    first = const FIRST,
    second = const SECOND,
    stats = const Call::ProcessStats as u64,
    create = const Call::ProcessCreate as u64,
    grant = const Call::CapabilityGrant as u64,
    map = const Call::MemoryMap as u64,
    thread = const Call::ThreadCreate as u64,
    wait = const Call::Wait as u64,
    notification_wait = const Call::NotificationWait as u64,
    all = const Rights::ALL.0,
    code = const CODE_ADDRESS,
    execute = const access::EXECUTE,
    any = const ANY_CPU as i64,
);

unsafe extern "C" {
    static hostile_storm: u8;
    static hostile_bomb: u8;
    static hostile_touch: u8;
    static hostile_wait: u8;
    static hostile_code_end: u8;
}

/// Random calls; `rdi` is the seed, not 0.
pub fn storm() -> &'static [u8] {
    between(&raw const hostile_storm, &raw const hostile_bomb)
}

/// A fork bomb; `rdi` is 0 for a tree, 1 for a chain.
pub fn bomb() -> &'static [u8] {
    between(&raw const hostile_bomb, &raw const hostile_touch)
}

/// Writes its data page for ever.
pub fn touch() -> &'static [u8] {
    between(&raw const hostile_touch, &raw const hostile_code_end)
}

/// The entry of a thread of this program that waits at the notification `rdi`.
pub fn waiter() -> u64 {
    (&raw const hostile_wait) as u64
}

fn between(from: *const u8, to: *const u8) -> &'static [u8] {
    // SAFETY: the bytes between two of the labels are this program's code, which is never written.
    unsafe { core::slice::from_raw_parts(from, to as usize - from as usize) }
}
