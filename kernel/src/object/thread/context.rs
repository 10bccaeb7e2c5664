//! What the thread's owner touches, and what the assembly of messages reads.

use alloc::sync::Arc;
use core::sync::atomic::AtomicU64;

use crate::cpu::fpu::State;
use crate::cpu::frame::Frame;
use crate::ipc::capabilities::{Gifts, Handles};
use crate::mailbox::CpuSet;
use crate::object::Memory;
use crate::object::capability::FastSlot;

/// What only the holder of the thread's token touches.
#[repr(C)]
pub struct Context {
    /// User registers.
    pub frame: Frame,
    /// FS base of user mode.
    pub fs_base: u64,
    /// FPU registers, from the first use on.
    pub fpu: Option<State>,
    /// The word behind this thread in a chain of receivers, or in a row.
    pub next: u64,
    /// The word in front of it in a row.
    pub previous: u64,
    /// At which it runs, or would: a caller's, while it serves one; else its own. Wrong for a receiver that waits.
    pub priority: u64,
    /// Where its more words of a message are, in the physical map; 0 without a message page.
    pub page: u64,
    /// The memory with its message page.
    pub page_memory: Option<Arc<Memory>>,
    /// The address of its last page fault that was told.
    pub fault_address: u64,
    /// The badge that this thread's call used, while it waits for a receiver.
    pub badge: u64,
    /// The capabilities that a call of this thread carries to its receiver.
    pub gifts: Gifts,
    /// How many it takes.
    pub accepts: usize,
    /// The handles of those that came with the last message that had any.
    pub received: Handles,
}

impl Context {
    /// Of a thread that has not run yet.
    pub fn new(frame: Frame, priority: u64) -> Context {
        Context {
            frame,
            fs_base: 0,
            fpu: None,
            next: 0,
            previous: 0,
            priority,
            page: 0,
            page_memory: None,
            fault_address: 0,
            badge: 0,
            gifts: Gifts::new(),
            accepts: 1,
            received: Handles::new(),
        }
    }
}

/// What the assembly of messages reads of any thread, whoever holds its token.
#[repr(C)]
pub struct Fast {
    /// Not 0: this thread is for the kernel's Rust code. Bits of [`attention`].
    pub attention: AtomicU64,
    /// The page table of its process.
    pub root: u64,
    /// The CPUs that may hold translations of that: a `CpuSet`.
    pub cpus: *const CpuSet,
    /// Capabilities of its process: the slots of a [`FastTable`].
    pub table: *const FastSlot,
}

/// Why a thread's next step needs Rust code.
pub mod attention {
    /// Its process has ended.
    pub const ENDED: u64 = 1;
    /// Its set of CPUs or its priority was changed.
    pub const MOVED: u64 = 2;
    /// The caller that it holds is not a thread of its CPU.
    pub const CALLER_ELSEWHERE: u64 = 4;
    /// Its calls are counted, because its process is to end at one of them.
    pub const COUNTED: u64 = 8;
    /// It waits for a verdict on its fault, or goes on to its end with [`DOOMED`].
    pub const FAULTED: u64 = 16;
    /// Nobody resumes it after its fault: it ends its process as soon as it is run.
    pub const DOOMED: u64 = 32;
    /// It has changed its priority while it serves a caller, who has another.
    pub const RAISED: u64 = 64;
    /// Its own priority holds also while it serves somebody less urgent. The assembly knows what to do, and `is_settled` lets
    /// it pass.
    pub const FLOOR: u64 = 128;
}
