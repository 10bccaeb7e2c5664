//! The user registers of a thread, as the entry stubs leave them and the exit takes them back.
//!
//! The last seven words are what the CPU pushes on an interrupt (SDM volume 3, section 6.14.2), with the
//! vector and an error code below; the rest is pushed by the stubs in `entry.rs`, in this order from above.

use abi::fault::{FaultRegisters, USER_FLAGS};
use abi::{Registers, Status};

/// The vector of a thread that came by `syscall`: above all real ones. Only such a thread may leave by
/// `sysret`.
pub const SYSCALL_VECTOR: u64 = 256;

/// Code selector of user mode, and its data selector (see `tables.rs`).
pub const USER_CODE: u64 = 0x20 | 3;
/// See [`USER_CODE`].
pub const USER_DATA: u64 = 0x18 | 3;

/// Length of the instruction `syscall`.
const SYSCALL_BYTES: u64 = 2;

const RFLAGS_INTERRUPTS_ON: u64 = 0x202;

/// Saved registers. The size is a multiple of 16, so that the CPU's push lands exactly here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct Frame {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub vector: u64,
    pub error: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

const _: () = assert!(size_of::<Frame>() == 22 * 8);

impl Frame {
    /// The registers of a thread that has not run yet. `entry` must lie in user space.
    pub fn user(entry: u64, stack: u64, argument: u64) -> Frame {
        Frame {
            rdi: argument,
            rip: entry,
            cs: USER_CODE,
            rflags: RFLAGS_INTERRUPTS_ON,
            rsp: stack,
            ss: USER_DATA,
            ..Frame::default()
        }
    }

    /// The nine argument words of a system call.
    pub fn registers(&self) -> Registers {
        Registers([
            self.rdi, self.rsi, self.rdx, self.r10, self.r8, self.r9, self.r12, self.r13, self.r14,
        ])
    }

    /// Makes the system call that was just made once more, with the same words, when the thread goes on.
    pub fn call_again(&mut self) {
        self.rip -= SYSCALL_BYTES;
    }

    /// Puts result words in place.
    pub fn set_registers(&mut self, registers: &Registers) {
        [
            self.rdi, self.rsi, self.rdx, self.r10, self.r8, self.r9, self.r12, self.r13, self.r14,
        ] = registers.0;
    }

    /// All registers, for whoever handles a fault.
    pub fn all(&self) -> FaultRegisters {
        FaultRegisters {
            general: [
                self.rax, self.rbx, self.rcx, self.rdx, self.rsi, self.rdi, self.rbp, self.r8, self.r9,
                self.r10, self.r11, self.r12, self.r13, self.r14, self.r15,
            ],
            instruction: self.rip,
            stack: self.rsp,
            flags: self.rflags,
        }
    }

    /// Changes all registers. Instruction and stack must lie in user space.
    pub fn set_all(&mut self, registers: &FaultRegisters) {
        [
            self.rax, self.rbx, self.rcx, self.rdx, self.rsi, self.rdi, self.rbp, self.r8, self.r9, self.r10,
            self.r11, self.r12, self.r13, self.r14, self.r15,
        ] = registers.general;
        self.rip = registers.instruction;
        self.rsp = registers.stack;
        self.rflags = registers.flags & USER_FLAGS | RFLAGS_INTERRUPTS_ON;
    }

    /// Puts the status in place.
    pub fn set_status(&mut self, status: Status) {
        self.rax = status as u64;
    }
}
