//! Registers that carry no word of a message belong to their thread: a call leaves them alone, and so do the
//! flags and the FS base.

use core::arch::asm;
use core::arch::x86_64::__cpuid_count;

use userlib::Refusal;
use userlib::abi::Call;
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint};
use userlib::thread::Place;

use crate::helpers;

/// The direction flag, which Rust code keeps clear.
const DIRECTION: u64 = 1 << 10;

/// Checks everything in this file.
pub fn check(checks: &mut Checks) -> Result<(), Refusal> {
    let has_fsgsbase = __cpuid_count(7, 0).ebx & 1 == 1;
    let endpoint = Endpoint::create()?;
    let server = helpers::start(endpoint, Place::Cpu(0), move |_| {
        if has_fsgsbase {
            assert!(
                swap_fs(0x2000) != 0x1000,
                "the caller's FS base is not the server's"
            );
        }
    })?;
    let mut wrong = 0;
    for round in 0..100 {
        if has_fsgsbase {
            swap_fs(0x1000);
        }
        let (changed, flags) = around_call(endpoint, round % 2 == 0);
        wrong += u64::from(changed != 0) + u64::from((flags & DIRECTION != 0) != (round % 2 == 0));
        if has_fsgsbase {
            wrong += u64::from(swap_fs(0) != 0x1000);
        }
    }
    checks.equal("registers-are-kept", wrong, 0);
    helpers::stop(endpoint, server)?;
    ipc::drop_capability(endpoint.0)
}

/// Sets the FS base; what it was.
fn swap_fs(base: u64) -> u64 {
    let before: u64;
    // SAFETY: the CPU has FSGSBASE, and nothing in this program uses FS.
    unsafe {
        asm!("rdfsbase {}", "wrfsbase {}", out(reg) before, in(reg) base, options(nomem, nostack));
    }
    before
}

/// A call with known values in the registers that it must not change: the bits that changed, and the flags.
fn around_call(endpoint: Endpoint, is_backwards: bool) -> (u64, u64) {
    let (changed, flags): (u64, u64);
    // SAFETY: changes registers only as declared; the direction flag is clear again at the end.
    unsafe {
        asm!(
            "push rbx",
            "push rbp",
            "mov rbx, 0x1b1b1b1b",
            "mov rbp, 0x2b2b2b2b",
            "mov r15, 0x3b3b3b3b",
            "test r11, r11",
            "jz 2f",
            "std",
            "2: syscall",
            "pushfq",
            "pop r11",
            "cld",
            "xor rbx, 0x1b1b1b1b",
            "xor rbp, 0x2b2b2b2b",
            "xor r15, 0x3b3b3b3b",
            "or r15, rbx",
            "or r15, rbp",
            "or r15, rax",
            "pop rbp",
            "pop rbx",
            inout("rax") Call::Call as u64 => _,
            inout("rdi") endpoint.0.0 => _,
            inout("rsi") 1_u64 => _,
            inout("rdx") 0_u64 => _,
            inout("r10") 0_u64 => _,
            inout("r8") 0_u64 => _,
            inout("r9") 0_u64 => _,
            inout("r12") 0_u64 => _,
            inout("r13") 0_u64 => _,
            inout("r14") 0_u64 => _,
            out("r15") changed,
            out("rcx") _,
            inout("r11") u64::from(is_backwards) => flags,
        );
    }
    (changed, flags)
}
