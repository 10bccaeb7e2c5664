//! The system call instruction, and what is safe to do with it.
//!
//! Everything else in this crate is a typed wrapper around [`ask`] or [`command`].

use core::arch::asm;

use abi::{Call, Registers, Status};

use crate::Refusal;

/// Makes any call, even one that does not exist, and gives back `rax` and the nine words.
///
/// # Safety
/// 1. The call takes no memory away that Rust code of this process still uses, and changes no mapping of it.
/// 2. It starts no thread of this process at an address that is no thread entry, or on a stack in use.
#[inline]
pub unsafe fn raw(number: u64, registers: &Registers) -> (u64, Registers) {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h, mut i] = registers.0;
    let mut rax = number;
    // SAFETY: the kernel preserves every register that is not named here, and the caller answers for what
    // the call does to the memory of this process (obligations 1 and 2).
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") rax,
            inlateout("rdi") a,
            inlateout("rsi") b,
            inlateout("rdx") c,
            inlateout("r10") d,
            inlateout("r8") e,
            inlateout("r9") f,
            inlateout("r12") g,
            inlateout("r13") h,
            inlateout("r14") i,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    (rax, Registers([a, b, c, d, e, f, g, h, i]))
}

/// Makes a call that exists.
///
/// # Errors
/// The kernel's refusal.
///
/// # Panics
/// When the kernel answers with a number that no status has.
///
/// # Safety
/// As for [`raw`].
#[inline]
pub unsafe fn command(call: Call, registers: &Registers) -> Result<Registers, Refusal> {
    // SAFETY: the caller's obligations are the same.
    let (rax, results) = unsafe { raw(call as u64, registers) };
    match Status::from_word(rax) {
        Some(Status::Ok) => Ok(results),
        Some(status) => Err(Refusal {
            status,
            words: [results.0[0], results.0[1]],
        }),
        None => panic!("the kernel answered {call:?} with {rax}, which is no status"),
    }
}

/// Makes a call that can change no memory of the caller.
///
/// # Errors
/// The kernel's refusal.
///
/// # Panics
/// For the calls that can: they are for [`command`]. When the kernel answers with a number that no status has.
#[inline]
pub fn ask(call: Call, registers: &Registers) -> Result<Registers, Refusal> {
    assert!(!can_change_memory(call), "{call:?} is no call for `ask`");
    // SAFETY: 1. and 2. hold for every call that passes the assertion.
    unsafe { command(call, registers) }
}

/// Whether a call may change mappings or memory of the calling process outside its window, or start a thread in it.
/// Inside the window lies nothing but per-CPU cells: these bear any contents, and where they are gone an
/// access ends the program. So neither window calls nor messages, by which a server changes a window, count.
const fn can_change_memory(call: Call) -> bool {
    matches!(
        call,
        Call::MemoryMap | Call::MemoryUnmap | Call::ThreadCreate | Call::FaultRegisters | Call::MessagePage
    )
}
