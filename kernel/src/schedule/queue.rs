//! The threads that are ready to run on each CPU, by priority.
//!
//! Which priorities are ready is read without the queue's lock: [`Urgency`] has the order of looks.

use core::cell::Cell;
use core::sync::atomic::{AtomicBool, Ordering};

use abi::syscall::PRIORITIES;
use lockfree::{Idle, Urgency};
use percpu_core::CpuId;

use crate::cpu::{self, apic};
use crate::levels::Levels;
use crate::object::{Parked, Queue as Row, Thread};
use crate::per_cpu;
use crate::sync::{Lock, rank};

per_cpu! {
    /// Threads that are ready to run here.
    static QUEUE: Lock<Levels, { rank::RUN_QUEUE }> = Lock::new(Levels::new());
    /// Which priorities they have, and the one at which this CPU runs a thread.
    pub static URGENCY: Urgency = Urgency::at_boot();
    /// Whether threads may come here: a CPU that goes closes its queue. Under its lock.
    static IS_OPEN: AtomicBool = AtomicBool::new(false);
    /// Set before the queue is looked at for the last time, so that whoever queues later sends an interrupt.
    static IDLE: Idle = Idle::at_boot();
    /// Priorities that have had no turn by lending yet, in this round.
    static WITHOUT_TURN: Cell<u64> = Cell::new(0);
    /// Whether this CPU runs a thread by lending, to which its place in the queue does not belong any more.
    static IS_LENT: Cell<bool> = Cell::new(false);
}

/// Threads may come to this CPU from now on.
pub fn open() {
    let _queue = QUEUE.local().lock();
    IS_OPEN.local().store(true, Ordering::Relaxed);
}

/// No thread comes to this CPU any more; those that have, the most urgent first.
pub fn close() -> Row {
    let mut queue = QUEUE.local().lock();
    IS_OPEN.local().store(false, Ordering::Relaxed);
    let mut threads = Row::new();
    while let Some((_, thread)) = queue.pop() {
        threads.push_back(thread);
    }
    URGENCY.local().set_ready(0);
    threads
}

/// Queues a thread on a CPU, and makes that CPU look at it if it is urgent there.
///
/// # Errors
/// The thread, when the CPU has gone.
pub fn push(cpu: CpuId, mut thread: Parked, is_first: bool) -> Result<(), Parked> {
    thread.thread().note_queue(cpu);
    let priority = {
        let mut queue = QUEUE.on(cpu).lock();
        if !IS_OPEN.on(cpu).load(Ordering::Relaxed) {
            return Err(thread);
        }
        // Not before: whoever changes it, or ends it, looks for the thread here afterwards. One that has ended only goes:
        // nobody keeps it waiting for that.
        let priority = match thread.is_dead() {
            true => PRIORITIES - 1,
            false => thread.settle_priority(),
        };
        queue.push(priority, thread, is_first);
        URGENCY.on(cpu).set_ready(queue.occupied());
        priority
    };
    let is_urgent = || IDLE.on(cpu).is_idle() || URGENCY.on(cpu).is_below(priority);
    if cpu != cpu::this_cpu() && is_urgent() {
        apic::send_ipi(cpu, apic::WAKE_VECTOR as u8);
    }
    Ok(())
}

/// Takes the most urgent thread of this CPU, which runs at its priority from now on.
pub fn pop() -> Option<Parked> {
    let mut queue = QUEUE.local().lock();
    let (priority, thread) = queue.pop()?;
    URGENCY.local().take(priority, queue.occupied());
    IS_LENT.local().set(false);
    Some(thread)
}

/// The same for the turn of a thread of this priority that lends it, and is ready itself: the first thread of each priority
/// up to that, in turn. None when somebody more urgent has come.
pub fn pop_in_turn(lender: u64) -> Option<Parked> {
    if has_from(lender + 1) {
        return None;
    }
    let mut queue = QUEUE.local().lock();
    let waiting = match WITHOUT_TURN.local().get() & queue.occupied() {
        0 => queue.occupied(),
        waiting => waiting,
    };
    let (priority, thread) = queue.pop_of(waiting)?;
    URGENCY.local().take(priority, queue.occupied());
    WITHOUT_TURN.local().set(waiting & !(1 << priority));
    IS_LENT.local().set(true);
    Some(thread)
}

/// Whether the running thread, which makes room, keeps its place before others of its priority.
pub fn keeps_place() -> bool {
    !IS_LENT.local().get()
}

/// This CPU runs at a priority from now on; whether somebody more urgent is ready. A part of every way out.
#[inline(always)]
pub fn run_at(priority: u64) -> bool {
    URGENCY.local().run_at(priority)
}

/// Whether a thread of this CPU is ready that is as urgent as this or more.
pub fn has_from(priority: u64) -> bool {
    URGENCY.local().has_from(priority)
}

/// Whether no thread of this CPU is ready.
pub fn is_empty() -> bool {
    !has_from(0)
}

/// Says that this CPU idles, or not.
pub fn set_idle(is_idle: bool) {
    match is_idle {
        true => IDLE.local().begin(),
        false => IDLE.local().end(),
    }
}

/// What a thread of this priority would wait for on a CPU.
pub fn load(cpu: CpuId, priority: u64) -> usize {
    let queued = QUEUE.on(cpu).lock().count_from(priority);
    let is_idle = IDLE.on(cpu).is_idle();
    let runs = !is_idle && !URGENCY.on(cpu).is_below(priority);
    2 * queued + usize::from(runs)
}

/// Takes a thread out of the queue that it is in, if it is in one.
pub fn take_out(thread: &Thread) -> Option<Parked> {
    let cpu = thread.queue()?;
    let mut queue = QUEUE.on(cpu).lock();
    let found = queue.remove(thread);
    URGENCY.on(cpu).set_ready(queue.occupied());
    found
}
