//! Which CPU has least to do.

use core::sync::atomic::{AtomicUsize, Ordering};

use abi::syscall::CpuMask;
use percpu_core::CpuId;

use super::queue;
use crate::boot::{firmware, smp};

/// The online CPU of the mask where a thread of this priority has least to wait for, an idle one first. Among equals it is
/// the first one behind `start`, so that ties rotate.
pub fn least_loaded(mask: &CpuMask, start: CpuId, priority: u64) -> Option<CpuId> {
    let count = firmware::topology().cpu_count();
    let behind = (1..=count).map(|step| CpuId::new(((start.index() + step) % count) as u16));
    let candidates = behind.filter(|cpu| mask.contains(cpu.index()) && smp::is_online(*cpu));
    candidates.min_by_key(|cpu| queue::load(*cpu, priority))
}

/// Whether any CPU of the mask is online.
pub fn is_any_online(mask: &CpuMask) -> bool {
    let mut cpus = firmware::topology().cpus();
    cpus.any(|cpu| mask.contains(cpu.index()) && smp::is_online(cpu))
}

/// A CPU to begin with, another one each time.
pub fn next_start() -> CpuId {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let count = firmware::topology().cpu_count();
    CpuId::new((NEXT.fetch_add(1, Ordering::Relaxed) % count) as u16)
}
