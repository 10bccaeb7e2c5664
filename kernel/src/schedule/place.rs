//! Where threads that are ready go: into the queue of a CPU that is online, or among the suspended ones when all CPUs
//! that they are bound to are off.
//!
//! A CPU's queue is open as long as it is online, and a little longer at both ends. Whoever finds it closed looks again.

use abi::syscall::CpuMask;
use percpu_core::CpuId;

use super::{balance, queue, suspended};
use crate::cpu;
use crate::ipc::requests;
use crate::object::Parked;
use crate::object::thread::Affinity;

/// Threads and requests may come to this CPU from now on.
pub fn open() {
    queue::open();
    requests::open();
}

/// Puts a thread at the end of the queue of its CPU, or of one that it may run on.
pub fn make_ready(thread: Parked) {
    place(home_of(&thread), thread, false);
}

/// Puts a thread at the front of the queue of its CPU.
pub fn make_ready_first(thread: Parked) {
    place(home_of(&thread), thread, true);
}

/// Puts a thread at the front of the queue of a CPU that it may run on.
pub fn make_ready_on(cpu: CpuId, thread: Parked) {
    place(Some(cpu), thread, true);
}

/// Puts a new thread where there is least to do; equally good CPUs take turns.
pub fn start(mut thread: Parked) {
    place(target_of(&mut thread, balance::next_start()), thread, false);
}

/// Puts a thread whose slice is over where there is least to do.
pub fn make_ready_anywhere(thread: Parked) {
    place(None, thread, false);
}

/// Where a thread may go, an online CPU with little to do; none when it has to wait until one of its CPUs is back.
pub fn target_of(thread: &mut Parked, start: CpuId) -> Option<CpuId> {
    let priority = thread.settle_priority();
    let Affinity { mask, is_loose } = thread.thread().affinity();
    let anywhere = || balance::least_loaded(&CpuMask::ALL, start, priority).filter(|_| is_loose);
    balance::least_loaded(&mask, start, priority).or_else(anywhere)
}

fn home_of(thread: &Parked) -> Option<CpuId> {
    let thread = thread.thread();
    thread.cpu().filter(|cpu| thread.may_run_on(*cpu))
}

fn place(mut preferred: Option<CpuId>, mut thread: Parked, is_first: bool) {
    loop {
        let target = preferred.take();
        let target = target.or_else(|| target_of(&mut thread, cpu::this_cpu()));
        let refused = match target {
            Some(cpu) => queue::push(cpu, thread, is_first),
            None => suspended::suspend(thread),
        };
        match refused {
            Ok(()) => return,
            Err(back) => thread = back,
        }
    }
}
