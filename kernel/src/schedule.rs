//! Which thread runs on which CPU: queues for each CPU by priority, round robin among equals, slices of a millisecond.
//!
//! No thread runs while a more urgent one is ready on its CPU. The assembly of messages need not look: whom it
//! switches to runs at the same priority, and who is made ready meanwhile by another CPU comes with an interrupt.
//!
//! The running thread's token lies with its CPU's entry code, which hands it in; whoever got it leaves this file
//! through [`finish`], [`switch_to`] or [`dispatch`]. A thread may run elsewhere as soon as its token is
//! queued, because its registers lie in the thread itself.

mod balance;
mod leave;
mod place;
mod queue;
mod spaces;
mod suspended;

use alloc::sync::Arc;

use crate::cpu::{self, apic, entry};
use crate::ipc::requests;
use crate::memory::kernel_map;
use crate::object::{Parked, Running, Thread, interrupt};
use crate::refusal::Answer;
use crate::sync::check_none_is_held;
use crate::{fault, mailbox, syscall};

pub use balance::{is_any_online, least_loaded};
pub use leave::order as order_to_leave;
pub use place::{make_ready, make_ready_first, make_ready_on, open, start};
pub use queue::URGENCY;
pub use spaces::release_ended;
pub use suspended::{reconsider, release, send_receiver};

/// The exception of an FPU instruction while CR0.TS is set.
const DEVICE_NOT_AVAILABLE: u64 = 7;

/// Begins to run threads on this CPU, for ever.
pub fn run() -> ! {
    cpu::breath::begin();
    dispatch();
    check_none_is_held("on the way to user mode");
    entry::enter_user()
}

/// A system call of the running thread.
pub fn on_syscall(current: Running) {
    syscall::handle(current);
    check_none_is_held("behind a system call");
}

/// An exception or interrupt of the running thread.
pub fn on_user_interrupt(current: Running, vector: u64) {
    match vector {
        DEVICE_NOT_AVAILABLE => on_first_fpu_use(current),
        0..32 => fault::handle(current),
        _ if current.is_dead() => leave(current),
        apic::TIMER_VECTOR => on_slice_end(current),
        apic::FLUSH_VECTOR => {
            mailbox::drain();
            go_on(current);
        }
        _ => {
            arrive(vector);
            spaces::release_ended();
            requests::serve();
            match leave::is_ordered() {
                true => pass_on(current),
                false => go_on(current),
            }
        }
    }
    check_none_is_held("behind an interrupt");
}

fn on_first_fpu_use(mut current: Running) {
    match current.open_fpu() {
        true => go_on(current),
        false => fault::end(current),
    }
}

/// An interrupt while this CPU idles, where being awake is all that a wake-up asks for; or a request to forget translations
/// while it breathes, with locks held.
pub fn on_kernel_interrupt(vector: u64) {
    match vector {
        apic::FLUSH_VECTOR => mailbox::drain(),
        _ => arrive(vector),
    }
}

/// An interrupt of a device, if it is one.
fn arrive(vector: u64) {
    if let Some(line) = apic::lines::of_vector(vector) {
        interrupt::arrive(line);
    }
}

/// Answers the running thread's call and goes on with it.
pub fn finish(mut current: Running, answer: Answer) {
    current.answer(answer);
    go_on(current);
}

/// Goes on with the running thread, if it may.
pub fn go_on(mut current: Running) {
    if current.thread().is_settled() {
        return go_on_here(current);
    }
    if current.is_dead() {
        return leave(current);
    }
    // First, so that a change of its CPUs from now on is seen by the interrupt that comes with it.
    current.settle_on(cpu::this_cpu());
    if !current.thread().may_run_on(cpu::this_cpu()) {
        pass_on(current);
    } else {
        go_on_here(current);
    }
}

fn go_on_here(mut current: Running) {
    match queue::run_at(current.settle_priority()) {
        true => make_room(current),
        false => current.stay(),
    }
}

/// Lets the running thread go on elsewhere, or later, and runs another.
fn pass_on(current: Running) {
    make_ready(current.park());
    dispatch();
}

/// The running thread goes on when nobody more urgent is ready any more; its slice begins anew then.
#[inline(never)]
fn make_room(current: Running) {
    current.process().count_preemption();
    match queue::keeps_place() {
        true => make_ready_on(cpu::this_cpu(), current.park()),
        false => make_ready(current.park()),
    }
    dispatch();
}

/// Runs another thread when the process of the running one was ended within its own call.
pub fn leave_if_dead() {
    go_on(entry::current());
}

/// Forgets the running thread, which has ended, and runs another.
pub fn leave(current: Running) {
    drop(current.park());
    dispatch();
}

/// `ThreadYield`: lets the next one run.
pub fn yield_now(mut current: Running) {
    current.answer(crate::refusal::DONE);
    if !queue::has_from(current.settle_priority()) {
        return go_on(current);
    }
    pass_on(current);
}

/// `ThreadLend`: lets the next one run, whatever its priority. It makes room as soon as it comes into the kernel, at the
/// latest at the end of the slice.
#[cold]
pub fn lend(mut current: Running) {
    current.answer(crate::refusal::DONE);
    if queue::is_empty() {
        return go_on(current);
    }
    let priority = current.settle_priority();
    make_ready(current.park());
    match queue::pop_in_turn(priority) {
        None => dispatch(),
        Some(next) => {
            switch_among_equals(next);
            apic::arm_timer();
        }
    }
}

/// Moving at the end of every slice shares CPUs evenly among threads that their number does not divide into.
fn on_slice_end(mut current: Running) {
    entry::check_smap();
    let priority = current.settle_priority();
    // Also one that nobody has changed: the CPU that it is bound to, loosely, may be back.
    if !current.thread().may_run_on(cpu::this_cpu()) {
        return pass_on(current);
    }
    if !queue::has_from(priority) {
        apic::arm_timer();
        return go_on(current);
    }
    current.process().count_preemption();
    place::make_ready_anywhere(current.park());
    dispatch();
}

/// A thread's own priority was changed: it takes its place among those that are ready, and its CPU looks whether it runs it.
pub fn change_priority(thread: &Arc<Thread>) {
    if let Some(queued) = queue::take_out(thread) {
        make_ready(queued);
    }
    if let Some(cpu) = thread.cpu().filter(|cpu| *cpu != cpu::this_cpu()) {
        apic::send_ipi(cpu, apic::WAKE_VECTOR as u8);
    }
}

/// Takes a thread out from among those that are ready or suspended, if it is there.
pub fn take_out(thread: &Thread) -> Option<Parked> {
    queue::take_out(thread).or_else(|| suspended::take_out(thread))
}

/// Runs this thread here, if it belongs here and nobody more urgent is ready; another one otherwise, and when it has ended.
pub fn switch_to(mut next: Parked) {
    if queue::run_at(next.settle_priority()) {
        make_ready_first(next);
        dispatch();
    } else {
        switch_among_equals(next);
    }
}

/// The same for a thread that nobody is ready before: it has taken over the priority of the one that was running, or was lent its
/// turn.
pub fn switch_among_equals(next: Parked) {
    if next.thread().is_settled_on(cpu::this_cpu()) {
        // This CPU keeps its address space, as the assembly of messages relies on.
        cpu::use_page_table(next.thread().root());
        resume(next);
    } else if !next.thread().may_run_on(cpu::this_cpu()) {
        make_ready(next);
        dispatch();
    } else if !enter(next) {
        dispatch();
    }
}

/// Runs the next thread of this CPU's queue, with a slice of its own; idles while there is none.
pub fn dispatch() {
    loop {
        mailbox::drain();
        requests::serve();
        if leave::is_ordered() {
            leave::go();
        }
        match queue::pop() {
            None => idle(),
            Some(next) if !next.thread().may_run_on(cpu::this_cpu()) => make_ready(next),
            Some(next) => {
                if enter(next) {
                    return apic::arm_timer();
                }
                // As many as there were in a process may have ended.
                cpu::breathe();
            }
        }
    }
}

fn idle() {
    cpu::switch_page_table(kernel_map::kernel_root());
    spaces::release_all();
    queue::set_idle(true);
    let is_empty = queue::is_empty() && requests::is_empty();
    check_none_is_held("while the CPU idles");
    if is_empty {
        cpu::wait_for_interrupt();
    }
    queue::set_idle(false);
}

/// Makes a thread this CPU's current one; not if it has ended.
fn enter(mut next: Parked) -> bool {
    if !load(&next) {
        return false;
    }
    if next.is_doomed() {
        fault::end_doomed(next);
        return false;
    }
    if next.thread().note_cpu(cpu::this_cpu()) {
        next.process().count_migration();
    }
    next.settle_again_on(cpu::this_cpu());
    resume(next);
    true
}

/// Its page table is loaded, and the assembly knows what it has to.
fn resume(mut next: Parked) {
    let context = next.context();
    cpu::set_fs_base(context.fs_base);
    if let Some(fpu) = &context.fpu {
        fpu.load();
    }
    entry::set_current(next);
}

/// Loads the page table of a thread's process; not if it has ended.
fn load(next: &Parked) -> bool {
    let Some(space) = next.process().space() else {
        return false;
    };
    spaces::load(&space);
    // Whoever ends the process sets the mark before it looks for CPUs; this CPU does it the other way round.
    !next.is_dead()
}
