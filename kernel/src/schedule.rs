//! Which thread runs on which CPU: one queue for each CPU, round robin, slices of a millisecond.
//!
//! The running thread's token lies in `CURRENT`; whoever handles an entry takes it, and leaves this file
//! through [`finish`], [`switch_to`] or [`dispatch`]. A thread may run elsewhere as soon as its token is
//! queued, because its registers lie in the thread itself.

mod balance;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::cell::Cell;
use core::sync::atomic::{AtomicBool, Ordering};

use percpu_core::CpuId;

use crate::cpu::{self, apic, entry};
use crate::memory::kernel_map;
use crate::object::{Parked, Running, Space};
use crate::refusal::Answer;
use crate::sync::Lock;
use crate::{fault, mailbox, per_cpu, syscall};

per_cpu! {
    /// Threads that are ready to run here.
    static QUEUE: Lock<VecDeque<Parked>> = Lock::new(VecDeque::new());
    /// The thread that runs here.
    static CURRENT: Cell<Option<Parked>> = Cell::new(None), hot;
    /// The address space whose page table is loaded here; none for the kernel's own.
    static LOADED: Cell<Option<Arc<Space>>> = Cell::new(None);
    /// Set before the queue is looked at for the last time, so that whoever queues later sends an interrupt.
    static IDLE: AtomicBool = AtomicBool::new(true);
}

/// Begins to run threads on this CPU, for ever.
pub fn run() -> ! {
    dispatch();
    entry::enter_user()
}

/// A system call of the running thread.
pub fn on_syscall() {
    syscall::handle(take_current());
}

/// An exception or interrupt in user mode.
pub fn on_user_interrupt(vector: u64) {
    let current = take_current();
    match vector {
        0..32 => fault::end(current),
        _ if current.is_dead() => leave(current),
        apic::TIMER_VECTOR => on_slice_end(current),
        apic::FLUSH_VECTOR => {
            mailbox::drain();
            go_on(current);
        }
        _ => go_on(current),
    }
}

/// An interrupt while this CPU idles: being awake is all that a wake-up asks for.
pub fn on_kernel_interrupt(vector: u64) {
    if vector == apic::FLUSH_VECTOR {
        mailbox::drain();
    }
}

fn take_current() -> Running {
    Running::new(
        CURRENT
            .local()
            .take()
            .expect("user mode was left, so a thread was running"),
    )
}

/// Answers the running thread's call and goes on with it.
pub fn finish(mut current: Running, answer: Answer) {
    current.answer(answer);
    go_on(current);
}

/// Goes on with the running thread, if it may.
fn go_on(current: Running) {
    if current.is_dead() {
        leave(current);
    } else if !current.thread().may_run_on(cpu::this_cpu()) {
        make_ready(current.park());
        dispatch();
    } else {
        CURRENT.local().set(Some(current.stay()));
    }
}

/// Forgets the running thread, which has ended, and runs another.
pub fn leave(current: Running) {
    drop(current.park());
    dispatch();
}

/// `ThreadYield`: lets the next one run.
pub fn yield_now(mut current: Running) {
    current.answer(crate::refusal::DONE);
    if QUEUE.local().lock().is_empty() {
        return go_on(current);
    }
    make_ready(current.park());
    dispatch();
}

/// Moving at the end of every slice shares CPUs evenly among threads that their number does not divide into.
fn on_slice_end(current: Running) {
    if QUEUE.local().lock().is_empty() {
        apic::arm_timer();
        return go_on(current);
    }
    current.process().count_preemption();
    let target = balance::least_loaded(&current.thread().affinity(), cpu::this_cpu());
    push(target, current.park(), false);
    dispatch();
}

/// Puts a thread at the end of the queue of its CPU, or of one that it may run on.
pub fn make_ready(thread: Parked) {
    push(home_of(&thread), thread, false);
}

/// Puts a thread at the front of the queue of its CPU.
pub fn make_ready_first(thread: Parked) {
    push(home_of(&thread), thread, true);
}

/// Puts a new thread where there is least to do; equally good CPUs take turns.
pub fn start(thread: Parked) {
    let target = balance::least_loaded(&thread.thread().affinity(), balance::next_start());
    push(target, thread, false);
}

fn home_of(thread: &Parked) -> CpuId {
    let thread = thread.thread();
    match thread.cpu() {
        Some(cpu) if thread.may_run_on(cpu) => cpu,
        _ => balance::least_loaded(&thread.affinity(), cpu::this_cpu()),
    }
}

fn push(cpu: CpuId, thread: Parked, is_first: bool) {
    {
        let mut queue = QUEUE.on(cpu).lock();
        match is_first {
            true => queue.push_front(thread),
            false => queue.push_back(thread),
        }
    }
    if cpu != cpu::this_cpu() && IDLE.on(cpu).load(Ordering::SeqCst) {
        apic::send_ipi(cpu, apic::WAKE_VECTOR as u8);
    }
}

/// Runs this thread, or another one if it has ended.
pub fn switch_to(next: Parked) {
    if !enter(next) {
        dispatch();
    }
}

/// Runs the next thread of this CPU's queue, with a slice of its own; idles while there is none.
pub fn dispatch() {
    loop {
        mailbox::drain();
        let next = QUEUE.local().lock().pop_front();
        match next {
            None => idle(),
            Some(next) if !next.thread().may_run_on(cpu::this_cpu()) => make_ready(next),
            Some(next) => {
                if enter(next) {
                    return apic::arm_timer();
                }
            }
        }
    }
}

fn idle() {
    cpu::load_page_table(kernel_map::kernel_root());
    unload(LOADED.local().take());
    IDLE.local().store(true, Ordering::SeqCst);
    let is_empty = QUEUE.local().lock().is_empty();
    if is_empty {
        cpu::wait_for_interrupt();
    }
    IDLE.local().store(false, Ordering::SeqCst);
}

/// Makes a thread this CPU's current one; not if it has ended.
#[expect(unsafe_code, reason = "names the registers that the exit will load")]
fn enter(mut next: Parked) -> bool {
    if !load(&next) {
        return false;
    }
    if next.thread().note_cpu(cpu::this_cpu()) {
        next.process().count_migration();
    }
    let context = next.context();
    cpu::switch_fs(&mut 0, context.fs_base);
    // SAFETY: the frame lies in the thread, which the token in CURRENT keeps; the token is taken from there
    // only when user mode was left, and the next exit takes place after another frame was named or this
    // token was put back.
    unsafe { entry::set_current_frame(&raw mut context.frame) };
    CURRENT.local().set(Some(next));
    true
}

/// Loads the page table of a thread's process; not if it has ended.
fn load(next: &Parked) -> bool {
    let Some(space) = next.process().space() else {
        return false;
    };
    let before = LOADED.local().take();
    if before.as_ref().is_some_and(|before| Arc::ptr_eq(before, &space)) {
        LOADED.local().set(before);
    } else {
        space.cpus().insert(cpu::this_cpu());
        cpu::load_page_table(space.root());
        LOADED.local().set(Some(space));
        unload(before);
    }
    // Whoever ends the process sets the mark before it looks for CPUs; this CPU does it the other way round.
    !next.is_dead()
}

/// Lets go of an address space whose page table was loaded here. Its last holder frees it.
fn unload(before: Option<Arc<Space>>) {
    if let Some(space) = before {
        space.cpus().remove(cpu::this_cpu());
    }
}
