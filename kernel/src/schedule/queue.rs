//! The threads that are ready to run on each CPU, by priority.
//!
//! Two words of each CPU are written under the lock of its queue or by the CPU itself: which priorities are ready, and
//! the one that it runs at. Whoever makes a thread ready sets the first and then reads the second; a CPU that goes on at a
//! lower priority sets the second and then reads the first. So one of them sees that somebody has to make room.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use abi::syscall::PRIORITIES;
use lockfree::Idle;
use percpu_core::CpuId;

use crate::cpu::{self, apic};
use crate::levels::Levels;
use crate::object::{Parked, Queue as Row, Thread};
use crate::per_cpu;
use crate::sync::{Lock, rank};

per_cpu! {
    /// Threads that are ready to run here.
    static QUEUE: Lock<Levels, { rank::RUN_QUEUE }> = Lock::new(Levels::new());
    /// Which priorities they have: bit p.
    pub static READY: AtomicU64 = AtomicU64::new(0);
    /// Whether threads may come here: a CPU that goes closes its queue. Under its lock.
    static IS_OPEN: AtomicBool = AtomicBool::new(false);
    /// The priority at which this CPU runs a thread.
    pub static CURRENT: AtomicU64 = AtomicU64::new(0);
    /// Set before the queue is looked at for the last time, so that whoever queues later sends an interrupt.
    static IDLE: Idle = Idle::at_boot();
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
    READY.local().store(0, Ordering::SeqCst);
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
        READY.on(cpu).store(queue.occupied(), Ordering::SeqCst);
        priority
    };
    let is_urgent = || IDLE.on(cpu).is_idle() || CURRENT.on(cpu).load(Ordering::SeqCst) < priority;
    if cpu != cpu::this_cpu() && is_urgent() {
        apic::send_ipi(cpu, apic::WAKE_VECTOR as u8);
    }
    Ok(())
}

/// Takes the most urgent thread of this CPU, which runs at its priority from now on.
pub fn pop() -> Option<Parked> {
    let mut queue = QUEUE.local().lock();
    let (priority, thread) = queue.pop()?;
    CURRENT.local().store(priority, Ordering::SeqCst);
    READY.local().store(queue.occupied(), Ordering::SeqCst);
    Some(thread)
}

/// This CPU runs at a priority from now on; whether somebody more urgent is ready.
pub fn run_at(priority: u64) -> bool {
    if CURRENT.local().load(Ordering::Relaxed) != priority {
        CURRENT.local().store(priority, Ordering::SeqCst);
    }
    READY.local().load(Ordering::SeqCst) >> priority > 1
}

/// Whether a thread of this CPU is ready that is as urgent as this or more.
pub fn has_from(priority: u64) -> bool {
    READY.local().load(Ordering::SeqCst) >> priority != 0
}

/// Whether no thread of this CPU is ready.
pub fn is_empty() -> bool {
    READY.local().load(Ordering::SeqCst) == 0
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
    let runs = !is_idle && CURRENT.on(cpu).load(Ordering::Relaxed) >= priority;
    2 * queued + usize::from(runs)
}

/// Takes a thread out of the queue that it is in, if it is in one.
pub fn take_out(thread: &Thread) -> Option<Parked> {
    let cpu = thread.queue()?;
    let mut queue = QUEUE.on(cpu).lock();
    let found = queue.remove(thread);
    READY.on(cpu).store(queue.occupied(), Ordering::SeqCst);
    found
}
