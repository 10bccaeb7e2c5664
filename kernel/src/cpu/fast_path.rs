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
    r#"
    /* Saves what this file uses, of the current thread (rsp); its stack pointer comes later. */
    .macro FAST_SAVE
    mov [rsp + {rip}], rcx
    mov [rsp + {rflags}], r11
    mov [rsp + {rbx}], rbx
    mov [rsp + {rbp}], rbp
    mov [rsp + {r15}], r15
    .endm

    /* The opposite, for the way through Rust. */
    .macro FAST_UNDO number
    mov rcx, [rsp + {rip}]
    mov r11, [rsp + {rflags}]
    mov rbx, [rsp + {rbx}]
    mov rbp, [rsp + {rbp}]
    mov r15, [rsp + {r15}]
    mov eax, \number
    jmp syscall_by_rust
    .endm

    /* rcx: the slot of the handle in rdi. */
    .macro FAST_SLOT
    mov ecx, edi
    and ecx, {slots} - 1
    shl ecx, {slot_shift}
    add rcx, [rsp + {table}]
    .endm

    /* Loads the page table of the thread rbx, unless that needs Rust. */
    .macro FAST_SPACE refused
    mov rbp, [rbx + {root}]
    cmp rbp, [rsp + {root}]
    je 3f
    mov rcx, [rbx + {cpus}]
    add rcx, gs:[rip + {local} + {cpu_word}]
    mov rax, gs:[rip + {local} + {cpu_bit}]
    test [rcx], rax
    jz \refused
    mov gs:[rip + {page_table}], rbp
    mov cr3, rbp
3:
    .endm

    /* Leaves the thread rsp, and makes rbx the current one. */
    .macro FAST_LEAVE
    mov rcx, gs:[rip + {local} + {scratch}]
    mov [rsp + {rsp}], rcx
    rdfsbase rcx
    mov [rsp + {fs}], rcx
    cmp rcx, [rbx + {fs}]
    jne 5f
4:  mov rax, [rsp + {fpu}]
    or rax, [rbx + {fpu}]
    jnz 6f
64: mov gs:[rip + {tss} + {rsp0}], rbx
    .endm

    /* What FAST_LEAVE does seldom. */
    .macro FAST_LEAVE_SELDOM
5:  mov rcx, [rbx + {fs}]
    wrfsbase rcx
    jmp 4b
    /* One of them has FPU state. */
6:  mov r11, rdx
    mov edx, -1
    mov r15, [rsp + {fpu}]
    mov rcx, [rbx + {fpu}]
    test r15, r15
    jz 61f
    mov eax, edx
    xsave64 [r15]
    test rcx, rcx
    jnz 62f
    mov rax, cr0
    or eax, {task_switched}
    mov cr0, rax
    jmp 63f
61: clts
62: mov eax, edx
    xrstor64 [rcx]
63: mov rdx, r11
    jmp 64b
    .endm

    /* The same, and enters rbx, which waits for an answer or a message. */
    .macro FAST_SWITCH
    FAST_LEAVE
    mov rax, gs:[rip + {local} + {user_gs}]
    swapgs
    wrgsbase rax
    mov rcx, [rbx + {rip}]
    mov r11, [rbx + {rflags}]
    mov r15, [rbx + {r15}]
    mov rbp, [rbx + {rbp}]
    mov rsp, [rbx + {rsp}]
    mov rbx, [rbx + {rbx}]
    xor eax, eax
    sysretq
    FAST_LEAVE_SELDOM
    .endm

    /* Both threads have a message page. */
    .macro FAST_PAGES refused
    cmp qword ptr [rsp + {page}], 0
    je \refused
    cmp qword ptr [rbx + {page}], 0
    je \refused
    .endm

    /* The words in them, from the thread rsp to rbx. */
    .macro FAST_COPY
    mov rax, [rsp + {page}]
    mov rcx, [rbx + {page}]
    .set word, 0
    .rept {more_words}
    mov rbp, [rax + 8 * word]
    mov [rcx + 8 * word], rbp
    .set word, word + 1
    .endr
    .endm

    .macro FAST_CALL has_more refused
    test qword ptr [rsp + {attention}], {calling}
    jnz \refused
    FAST_SLOT
    cmp rdi, [rcx + {send}]
    jne \refused
    mov r11, [rcx + {receivers}]
    mov r15, [rcx + {badge}]
    cmp rdi, [rcx + {send}]
    jne \refused
    mov rbx, gs:[r11]
    cmp rbx, {open}
    jbe \refused
    mov rax, [rsp + {priority}]
    cmp qword ptr [rbx + {attention}], 0
    jne 21f
20: mov [rbx + {priority}], rax
    .if \has_more
    FAST_PAGES \refused
    .endif
    FAST_SPACE \refused
    .if \has_more
    FAST_COPY
    .endif
    mov rdi, r15
    mov rax, [rbx + {next}]
    mov gs:[r11], rax
    mov [rbx + {caller}], rsp
    FAST_SWITCH
    /* R has a floor, perhaps. */
21: cmp qword ptr [rbx + {attention}], {floor}
    jne \refused
    mov rcx, [rbx + {own_priority}]
    cmp rax, rcx
    cmovb rax, rcx
    jmp 20b
    .endm

    .macro FAST_ANSWER has_more refused faulted
    FAST_SLOT
    cmp rdi, [rcx + {receive}]
    jne \refused
    mov r11, [rcx + {receivers}]
    cmp rdi, [rcx + {receive}]
    jne \refused
    cmp qword ptr [rsp + {attention}], 0
    jne 23f
    mov rbx, [rsp + {caller}]
    test rbx, rbx
    jz \refused
    test qword ptr [rbx + {attention}], {but_floor}
    jnz \faulted
22: mov r15, gs:[r11]
    test r15, r15
    jz \refused
    .if \has_more
    FAST_PAGES \refused
    .endif
    FAST_SPACE \refused
    .if \has_more
    FAST_COPY
    .endif
    mov [rsp + {next}], r15
    mov gs:[r11], rsp
    mov qword ptr [rsp + {caller}], 0
    xor edi, edi
    FAST_SWITCH
    /* S has a floor, perhaps: this CPU may have run more urgently than C. */
23: cmp qword ptr [rsp + {attention}], {floor}
    jne \refused
    mov rbx, [rsp + {caller}]
    test rbx, rbx
    jz \refused
    test qword ptr [rbx + {attention}], {but_floor}
    jnz \refused
    mov rcx, [rbx + {priority}]
    cmp rcx, gs:[rip + {urgency} + {current}]
    jae 22b
    mov rax, rcx
    xchg gs:[rip + {urgency} + {current}], rax
    mov rax, gs:[rip + {urgency} + {ready}]
    shr rax, cl
    cmp rax, 1
    jbe 22b
    jmp \refused
    .endm

    .text
    .balign 64
    .global fast_syscall_stub
fast_syscall_stub:
    swapgs
    mov gs:[rip + {local} + {scratch}], rsp
    mov rsp, gs:[rip + {tss} + {rsp0}]
    cmp rax, {call}
    jne 2f

    FAST_SAVE
    test r14, r14
    jnz 13f
    FAST_CALL 0 8f

2:  cmp rax, {reply_receive}
    jne 7f
    FAST_SAVE
    test r14, r14
    jnz 14f
    FAST_ANSWER 0 9f 10f

    /* Nothing is asked for: the user's GS base is mended, as at every exit. */
7:  test rax, rax
    jnz syscall_by_rust
    test qword ptr [rsp + {attention}], {but_floor}
    jnz syscall_by_rust
    mov rsp, gs:[rip + {local} + {scratch}]
    mov rax, gs:[rip + {local} + {user_gs}]
    swapgs
    wrgsbase rax
    xor eax, eax
    sysretq

    /* More words, or a capability. */
13: cmp r14, {in_page}
    jne 8f
    FAST_CALL 1 8f
14: cmp r14, {in_page}
    jne 9f
    FAST_ANSWER 1 9f 9f

    /* C waits for a verdict, perhaps. */
10: cmp qword ptr [rbx + {attention}], {faulted}
    jne 9f
    cmp rsi, {resume_at}
    ja 9f
    jne 11f
    mov rax, {user_end}
    cmp rdx, rax
    jae 9f
    cmp r10, rax
    ja 9f
11: mov r15, gs:[r11]
    test r15, r15
    jz 9f
    FAST_SPACE 9f
    mov [rsp + {next}], r15
    mov gs:[r11], rsp
    mov qword ptr [rsp + {caller}], 0
    cmp rsi, {resume_at}
    jne 12f
    mov [rbx + {rip}], rdx
    mov [rbx + {rsp}], r10
12: lock and qword ptr [rbx + {attention}], {not_faulted}
    FAST_LEAVE
    lea rsp, [rbx - {frame_size}]
    mov rax, gs:[rip + {local} + {user_gs}]
    swapgs
    wrgsbase rax
    jmp leave_by_iret
    FAST_LEAVE_SELDOM

8:  FAST_UNDO {call}
9:  FAST_UNDO {reply_receive}
"#,
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
