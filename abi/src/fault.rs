//! Faults as messages: what a thread's fault endpoint is told, and what it may answer.
//!
//! A thread with a fault endpoint ([`crate::Call::ThreadFaults`]) calls there when it faults, with the badge of the capability
//! that was given. First touches of pages that are populated on touch are no faults. Without an answer (the
//! receiver ends, or receives again) the fault ends the process, as it does without a fault endpoint.

use crate::Message;

/// A fault, as the message that tells it: the label is the vector.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fault {
    /// Exception vector, 0 to 31 (SDM volume 3, table 6-1).
    pub vector: u64,
    /// The CPU's error code, 0 for exceptions without one.
    pub error: u64,
    /// Value of CR2 for a page fault, else 0.
    pub address: u64,
    /// The instruction's address.
    pub instruction: u64,
    /// The stack pointer.
    pub stack: u64,
    /// RFLAGS.
    pub flags: u64,
    /// The thread's number in its process.
    pub thread: u64,
}

impl Fault {
    /// The message.
    #[must_use]
    pub const fn encode(&self) -> Message {
        let words = [
            self.error,
            self.address,
            self.instruction,
            self.stack,
            self.flags,
            self.thread,
        ];
        Message::new(self.vector, words)
    }

    /// Reads the message back. Whether it is one of a fault, its badge says.
    #[must_use]
    pub const fn decode(message: &Message) -> Fault {
        let [error, address, instruction, stack, flags, thread] = message.words;
        Fault {
            vector: message.label,
            error,
            address,
            instruction,
            stack,
            flags,
            thread,
        }
    }
}

/// What happens to a thread after its fault: the label of the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Verdict {
    /// It goes on with the registers that it has: the instruction is tried again.
    Resume = 0,
    /// It goes on at the instruction in word 0, with the stack pointer in word 1. `BadAddress` outside user space.
    ResumeAt = 1,
    /// The fault ends its process.
    End = 2,
}

impl Verdict {
    /// Reads the label; `None` for one that means nothing.
    #[must_use]
    pub const fn from_word(word: u64) -> Option<Verdict> {
        match word {
            0 => Some(Verdict::Resume),
            1 => Some(Verdict::ResumeAt),
            2 => Some(Verdict::End),
            _ => None,
        }
    }
}

/// All registers of a thread, in the order of the record that [`crate::Call::FaultRegisters`] writes and
/// [`crate::Call::FaultSetRegisters`] reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FaultRegisters {
    /// `rax rbx rcx rdx rsi rdi rbp r8 r9 r10 r11 r12 r13 r14 r15`.
    pub general: [u64; 15],
    /// The instruction's address.
    pub instruction: u64,
    /// The stack pointer.
    pub stack: u64,
    /// RFLAGS; bits that user code cannot set itself are ignored.
    pub flags: u64,
}

/// Words of the record.
pub const FAULT_REGISTERS: usize = 18;

/// The bits of RFLAGS that user code can set itself: CF, PF, AF, ZF, SF, TF, DF, OF, AC and ID.
pub const USER_FLAGS: u64 = 0x24_0dd5;

impl FaultRegisters {
    /// The record.
    #[must_use]
    pub fn encode(&self) -> [u64; FAULT_REGISTERS] {
        let mut words = [0; FAULT_REGISTERS];
        words[..15].copy_from_slice(&self.general);
        words[15..].copy_from_slice(&[self.instruction, self.stack, self.flags]);
        words
    }

    /// Reads the record back.
    #[must_use]
    pub fn decode(words: &[u64; FAULT_REGISTERS]) -> FaultRegisters {
        FaultRegisters {
            general: core::array::from_fn(|index| words[index]),
            instruction: words[15],
            stack: words[16],
            flags: words[17],
        }
    }
}
