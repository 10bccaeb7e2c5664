//! The straight way of a call and of its answer: from one thread's registers to another's, in assembly.
//!
//! Everything that is not as listed here takes the way through Rust (`ipc.rs`), which decides anew from the
//! registers as they came. Nothing is changed before all conditions are known to hold, but for what means nothing then: the
//! priority of a receiver that waits, and how urgent this CPU says that it is, which Rust says anew.
//!
//! **Call.** Let C be the thread that calls.
//! 1. The CPU has FSGSBASE and XSAVE: without them SYSCALL enters elsewhere.
//! 2. The message carries no capability; if it has more words, C and R have a message page (`ipc/pages.rs`). C needs no [`attention`] (but for that caller of its own): its
//!    process lives, and its set of CPUs has not been changed.
//! 3. The handle is the one that its slot of C's [`FastTable`] may be called with: this is bounds, generation,
//!    kind and the right to send.
//! 4. A receiver R waits on this CPU (`Receivers`): the head of the chain is a token.
//! 5. R needs no attention either, but for its floor.
//! 6. R's page table is C's, or this CPU is in the set of those that may hold translations of it.
//!
//! Then more words are copied from page to page, R is taken from the chain, C becomes R's caller, and R goes on with C's words and the badge, on C's
//! time slice.
//!
//! **Answer and receive.** Let S be the server's thread.
//! 1. As above.
//! 2. The answer carries no capability; if it has more words, S and C have a message page.
//! 3. The handle is the one that its slot may be received at with.
//! 4. S needs no attention: its process lives, it may stay here, and its caller is a thread of this CPU.
//! 5. S has a caller C, who needs no attention either.
//! 6. The chain of this CPU is not closed: no caller waits that somebody has to ask for first.
//! 7. C's page table is S's, or this CPU is in its set.
//!
//! Then S waits in front of the chain, and C goes on with S's words, on the same time slice.
//!
//! **Verdict and receive.** The same, but for a C that has faulted (`ipc/faults.rs`): its only attention is that, and
//! the verdict is to resume, at an instruction and a stack in user space if they are named. C goes on with all of its
//! registers, by IRET. Clearing that attention is the only locked instruction here.
//!
//! **Priority.** In a call R takes over C's, and in an answer C still has it, or one of them needs attention
//! (`attention::{MOVED, RAISED}`): so the CPU's own stays as it is, and no queue of threads is looked at. A floor is no
//! attention by itself: R runs at the greater of both, and the CPU still says C's, so that whoever is made ready in between
//! comes with an interrupt. If the CPU says more by the time of the answer, since Rust code ran meanwhile, it is
//! set back, and nobody may be ready who is more urgent than C; that exchange is locked, too. No other instruction here
//! is locked, none multiplies, or loads a CPU's number; model-specific registers are left alone, and CR0, too, unless just
//! one of the two has FPU state (`fpu.rs`), which is saved and loaded here. The words
//! stay in their registers all the way. Tokens move by single stores (`object/thread.rs`), and a slot is read
//! in the order that `FastTable` asks for.
//!
//! **Nothing** comes back at once, for a thread that needs no attention.
//!
//! What a thread's frame holds afterwards is what the other ways out need: `rip`, `rflags`, `rsp`, and the three
//! registers that this file uses. Its selectors are always the same, and whether it came by SYSCALL the time
//! before makes no difference: rcx and r11 are lost in a call.

use core::arch::global_asm;
use core::mem::offset_of;
use core::sync::atomic::AtomicU64;

use abi::Call;
use abi::fault::Verdict;
use abi::message::{IN_PAGE, MORE_WORDS};
use lockfree::Urgency;
use x86_64::registers::control::Cr0Flags;
use x86_64::structures::tss::TaskStateSegment;

use super::PAGE_TABLE;
use super::entry::{LOCAL, Local};
use super::frame::Frame;
use super::tables::TSS;
use crate::memory::address_space::USER_END;
#[expect(unused_imports, reason = "named in the text above")]
use crate::object::capability::FastTable;
use crate::object::capability::{FAST_SLOTS, FastSlot};
use crate::object::receivers::{CLOSED, OPEN};
use crate::object::thread::{Context, Fast, Thread, attention};
use crate::percpu::PerCpu;
use crate::schedule::URGENCY;

unsafe extern "C" {
    /// Where SYSCALL enters on a CPU with FSGSBASE.
    pub fn fast_syscall_stub();
}

/// Tokens point to the end of the frame, which is the first thing in a thread.
const fn of_frame(offset: usize) -> isize {
    offset as isize - size_of::<Frame>() as isize
}

const fn of_context(offset: usize) -> isize {
    of_frame(offset_of!(Thread, context) + offset)
}

const fn of_fast(offset: usize) -> isize {
    of_frame(offset_of!(Thread, fast) + offset)
}

const _: () = assert!(offset_of!(Thread, context) == 0 && offset_of!(Context, frame) == 0);
const _: () = assert!(size_of::<PerCpu<AtomicU64>>() == size_of::<u64>());
const _: () = assert!(CLOSED == 0 && OPEN == 1 && FAST_SLOTS.is_power_of_two());

global_asm!(
    include_str!("fast_path/macros.s"),
    include_str!("fast_path/entry.s"),
    call = const Call::Call as u64,
    reply_receive = const Call::ReplyReceive as u64,
    local = sym LOCAL,
    scratch = const offset_of!(Local, scratch),
    user_gs = const offset_of!(Local, user_gs),
    cpu_word = const offset_of!(Local, cpu_word),
    cpu_bit = const offset_of!(Local, cpu_bit),
    page_table = sym PAGE_TABLE,
    tss = sym TSS,
    rsp0 = const offset_of!(TaskStateSegment, privilege_stack_table),
    slots = const FAST_SLOTS,
    slot_shift = const size_of::<FastSlot>().trailing_zeros(),
    send = const offset_of!(FastSlot, send),
    receive = const offset_of!(FastSlot, receive),
    in_page = const IN_PAGE.0 as i64,
    more_words = const MORE_WORDS,
    page = const of_context(offset_of!(Context, page)),
    faulted = const attention::FAULTED,
    not_faulted = const !(attention::FAULTED as i32),
    resume_at = const Verdict::ResumeAt as u64,
    user_end = const USER_END,
    receivers = const offset_of!(FastSlot, receivers),
    badge = const offset_of!(FastSlot, badge),
    open = const OPEN,
    frame_size = const size_of::<Frame>(),
    rip = const of_frame(offset_of!(Frame, rip)),
    rflags = const of_frame(offset_of!(Frame, rflags)),
    rsp = const of_frame(offset_of!(Frame, rsp)),
    rbx = const of_frame(offset_of!(Frame, rbx)),
    rbp = const of_frame(offset_of!(Frame, rbp)),
    r15 = const of_frame(offset_of!(Frame, r15)),
    fs = const of_context(offset_of!(Context, fs_base)),
    caller = const of_frame(offset_of!(Thread, caller)),
    fpu = const of_context(offset_of!(Context, fpu)),
    task_switched = const Cr0Flags::TASK_SWITCHED.bits() as u32,
    next = const of_context(offset_of!(Context, next)),
    priority = const of_context(offset_of!(Context, priority)),
    attention = const of_fast(offset_of!(Fast, attention)),
    calling = const !((attention::CALLER_ELSEWHERE | attention::FLOOR) as i32),
    floor = const attention::FLOOR,
    but_floor = const !(attention::FLOOR as i32),
    own_priority = const of_frame(offset_of!(Thread, own_priority)),
    urgency = sym URGENCY,
    current = const Urgency::CURRENT,
    ready = const Urgency::READY,
    root = const of_fast(offset_of!(Fast, root)),
    cpus = const of_fast(offset_of!(Fast, cpus)),
    table = const of_fast(offset_of!(Fast, table)),
);
