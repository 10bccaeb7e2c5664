//! Requests to other CPUs to forget translations, and the wait until they have.
//!
//! Each CPU has one mailbox. Whoever asks waits for all acknowledgements without a lock, and serves its own
//! mailbox meanwhile: two CPUs that ask each other at once both go on.

use alloc::sync::Arc;
use core::sync::atomic::{Ordering, fence};

use abi::syscall::CpuMask;
use crossbeam_queue::ArrayQueue;
pub use lockfree::CpuSet;
use lockfree::Flush;
use percpu_core::CpuId;

use crate::boot::{firmware, smp};
use crate::cpu::{self, apic};
use crate::memory::heap;
use crate::per_cpu;
use crate::sync::{Once, check_none_is_held};

/// What needs to know this CPU.
pub trait Others {
    /// The CPUs in it that run, but for the one that asks.
    fn others(&self) -> impl Iterator<Item = CpuId> + '_;
}

impl Others for CpuSet {
    fn others(&self) -> impl Iterator<Item = CpuId> + '_ {
        let this = cpu::this_cpu();
        let cpus = firmware::topology().cpus();
        cpus.filter(move |cpu| *cpu != this && self.contains(*cpu) && smp::is_running(*cpu))
    }
}

per_cpu! {
    /// A CPU waits for its own request before it makes another, so one place for each CPU is enough.
    static MAILBOX: Once<ArrayQueue<Arc<Flush>>> = Once::new(), read_mostly;
}

/// Makes a mailbox for each CPU, before programs run.
pub fn make() {
    let topology = firmware::topology();
    for cpu in topology.cpus() {
        MAILBOX
            .on(cpu)
            .call_once(|| ArrayQueue::new(topology.cpu_count()));
    }
}

/// Makes every CPU that uses this page table forget its translations; one that has loaded another one since has
/// none. No lock is held here.
///
/// A CPU that goes serves its mailbox for the last time, and may be asked a moment later. It has flushed its TLB by then,
/// so whoever has asked acknowledges for it.
pub fn shoot_down(cpus: &CpuSet, root: u64) {
    check_none_is_held("while others forget translations");
    fence(Ordering::SeqCst);
    flush(root);
    let mut asked = CpuMask::default();
    let flush = {
        let _payer = heap::charge_nobody();
        Arc::new(Flush::new(root))
    };
    for cpu in cpus.others().filter(|cpu| cpu::page_table_of(*cpu) == root) {
        flush.expect_one();
        asked.insert(cpu.index());
        let mailbox = MAILBOX.on(cpu).get();
        let is_in = mailbox.is_some_and(|mailbox| mailbox.push(flush.clone()).is_ok());
        assert!(is_in, "each CPU has at most one request in a mailbox");
        apic::send_ipi(cpu, apic::FLUSH_VECTOR as u8);
        cpu::breathe();
    }
    while !flush.is_done() {
        drain();
        let silent = firmware::topology()
            .cpus()
            .filter(|cpu| asked.contains(cpu.index()));
        silent
            .filter(|cpu| !smp::is_running(*cpu))
            .for_each(acknowledge_for);
        cpu::breathe();
        core::hint::spin_loop();
    }
}

/// Serves the requests to this CPU.
pub fn drain() {
    let Some(mailbox) = MAILBOX.local().get() else {
        return;
    };
    while let Some(request) = mailbox.pop() {
        flush(request.root);
        request.acknowledge();
    }
}

/// Empties the mailbox of a CPU that is parked, or that has just begun again: it has no translation of a program.
fn acknowledge_for(cpu: CpuId) {
    let Some(mailbox) = MAILBOX.on(cpu).get() else {
        return;
    };
    while let Some(request) = mailbox.pop() {
        request.acknowledge();
    }
}

fn flush(root: u64) {
    if cpu::page_table() == root {
        cpu::load_page_table(root);
    }
}
