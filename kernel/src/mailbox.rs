//! Requests to other CPUs to forget translations, and the wait until they have.
//!
//! Each CPU has one mailbox. Whoever asks waits for all acknowledgements without a lock, and serves its own
//! mailbox meanwhile: two CPUs that ask each other at once both go on.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

use abi::MAX_CPUS;
use crossbeam_queue::ArrayQueue;
use percpu_core::CpuId;

use crate::boot::{firmware, smp};
use crate::cpu::{self, apic};
use crate::per_cpu;
use crate::sync::{Once, check_none_is_held};

/// A set of CPUs that several change at once: each CPU its own bit.
#[repr(transparent)]
pub struct CpuSet([AtomicU64; MAX_CPUS / 64]);

impl CpuSet {
    /// None.
    pub const fn new() -> CpuSet {
        CpuSet([const { AtomicU64::new(0) }; MAX_CPUS / 64])
    }

    /// Puts a CPU in; does not write when it is in.
    pub fn insert(&self, cpu: CpuId) {
        if !self.contains(cpu) {
            self.word(cpu).fetch_or(bit(cpu), Ordering::SeqCst);
        }
    }

    /// Puts a CPU in; whether it was not in.
    pub fn insert_first(&self, cpu: CpuId) -> bool {
        self.word(cpu).fetch_or(bit(cpu), Ordering::SeqCst) & bit(cpu) == 0
    }

    /// Takes a CPU out.
    pub fn remove(&self, cpu: CpuId) {
        self.word(cpu).fetch_and(!bit(cpu), Ordering::SeqCst);
    }

    /// Whether a CPU is in.
    pub fn contains(&self, cpu: CpuId) -> bool {
        self.word(cpu).load(Ordering::SeqCst) & bit(cpu) != 0
    }

    /// The CPUs in it but the one that asks.
    pub fn others(&self) -> impl Iterator<Item = CpuId> + '_ {
        let this = cpu::this_cpu();
        let cpus = firmware::topology().cpus();
        cpus.filter(move |cpu| *cpu != this && self.contains(*cpu) && smp::is_online(*cpu))
    }

    fn word(&self, cpu: CpuId) -> &AtomicU64 {
        &self.0[cpu.index() / 64]
    }
}

fn bit(cpu: CpuId) -> u64 {
    1 << (cpu.index() % 64)
}

struct Flush {
    root: u64,
    pending: AtomicUsize,
}

per_cpu! {
    /// A CPU waits for its own request before it makes another, so one place for each CPU is enough.
    static MAILBOX: Once<ArrayQueue<Arc<Flush>>> = Once::new(), read_mostly;
}

/// Makes every CPU that uses this page table forget its translations; one that has loaded another one since has
/// none. No lock is held here.
pub fn shoot_down(cpus: &CpuSet, root: u64) {
    check_none_is_held("while others forget translations");
    fence(Ordering::SeqCst);
    flush(root);
    let flush = Arc::new(Flush {
        root,
        pending: AtomicUsize::new(0),
    });
    for cpu in cpus.others().filter(|cpu| cpu::page_table_of(*cpu) == root) {
        flush.pending.fetch_add(1, Ordering::SeqCst);
        let mailbox = MAILBOX.on(cpu).call_once(|| ArrayQueue::new(MAX_CPUS));
        assert!(
            mailbox.push(flush.clone()).is_ok(),
            "each CPU has at most one request in a mailbox"
        );
        apic::send_ipi(cpu, apic::FLUSH_VECTOR as u8);
    }
    while flush.pending.load(Ordering::SeqCst) != 0 {
        drain();
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
        request.pending.fetch_sub(1, Ordering::SeqCst);
    }
}

fn flush(root: u64) {
    if cpu::page_table() == root {
        cpu::load_page_table(root);
    }
}
