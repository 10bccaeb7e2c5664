//! Which CPU has least to do.

use core::sync::atomic::{AtomicUsize, Ordering};

use abi::syscall::CpuMask;
use percpu_core::CpuId;

use super::queue;
use crate::boot::{firmware, smp};

/// The CPU of the mask where a thread of this priority has least to wait for, an idle one first. Among equals it is the first one behind
/// `start`, so that ties rotate. Without an online CPU in the mask it is the boot CPU, whose dispatcher will
/// look again; no mask without one is ever set.
pub fn least_loaded(mask: &CpuMask, start: CpuId, priority: u64) -> CpuId {
    let count = firmware::topology().cpu_count();
    let behind = (1..=count).map(|step| CpuId::new(((start.index() + step) % count) as u16));
    let candidates = behind.filter(|cpu| mask.contains(cpu.index()) && smp::is_online(*cpu));
    candidates
        .min_by_key(|cpu| queue::load(*cpu, priority))
        .unwrap_or(CpuId::BOOT)
}

/// A CPU to begin with, another one each time.
pub fn next_start() -> CpuId {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let count = firmware::topology().cpu_count();
    CpuId::new((NEXT.fetch_add(1, Ordering::Relaxed) % count) as u16)
}
