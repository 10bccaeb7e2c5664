//! A set of CPUs.

use core::array;

use abi::MAX_CPUS;
use percpu_core::CpuId;

use crate::atomic::{AtomicU64, Ordering};

/// A set of CPUs that several change at once: each CPU its own bit. The assembly of messages reads it.
#[repr(transparent)]
#[derive(Debug)]
pub struct CpuSet([AtomicU64; MAX_CPUS / 64]);

impl Default for CpuSet {
    fn default() -> Self {
        Self::new()
    }
}

impl CpuSet {
    /// None.
    #[inline]
    #[must_use]
    pub fn new() -> CpuSet {
        CpuSet(array::from_fn(|_| AtomicU64::new(0)))
    }

    /// Puts a CPU in; does not write when it is in.
    #[inline]
    pub fn insert(&self, cpu: CpuId) {
        if !self.contains(cpu) {
            self.word(cpu).fetch_or(bit(cpu), Ordering::SeqCst);
        }
    }

    /// Puts a CPU in; whether it was not in.
    #[inline]
    pub fn insert_first(&self, cpu: CpuId) -> bool {
        self.word(cpu).fetch_or(bit(cpu), Ordering::SeqCst) & bit(cpu) == 0
    }

    /// Takes a CPU out.
    #[inline]
    pub fn remove(&self, cpu: CpuId) {
        self.word(cpu).fetch_and(!bit(cpu), Ordering::SeqCst);
    }

    /// Whether a CPU is in.
    #[inline]
    #[must_use]
    pub fn contains(&self, cpu: CpuId) -> bool {
        self.word(cpu).load(Ordering::SeqCst) & bit(cpu) != 0
    }

    fn word(&self, cpu: CpuId) -> &AtomicU64 {
        &self.0[cpu.index() / 64]
    }
}

fn bit(cpu: CpuId) -> u64 {
    1 << (cpu.index() % 64)
}
