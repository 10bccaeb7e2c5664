//! The machine's shape, read from the header pages that the kernel keeps in every window.
//!
//! Not for init, which has no window use.

use core::ptr::with_exposed_provenance;
use core::sync::atomic::{AtomicU64, Ordering};

use abi::MAX_CPUS;
use abi::window::{WINDOW_BASE, header};

use crate::cell::here;

/// Number of possible CPUs: units of the window. CPUs are numbered from 0.
#[must_use]
pub fn possible_cpus() -> usize {
    (word(WINDOW_BASE, header::POSSIBLE_CPUS) as usize).min(MAX_CPUS)
}

/// Number of CPUs that are online now.
#[must_use]
pub fn online_cpus() -> usize {
    word(WINDOW_BASE, header::ONLINE_CPUS) as usize
}

/// Number of nodes.
#[must_use]
pub fn nodes() -> usize {
    word(WINDOW_BASE, header::NODES) as usize
}

/// Bytes from one unit of the window to the next.
#[must_use]
pub fn stride() -> u64 {
    word(WINDOW_BASE, header::STRIDE)
}

/// The address of a CPU's unit, as its header page says. `None` for a CPU that is not possible.
#[must_use]
pub fn unit_base(cpu: usize) -> Option<u64> {
    of_cpu(cpu, header::UNIT_BASE)
}

/// The node of a CPU. `None` for a CPU that is not possible.
#[must_use]
pub fn node(cpu: usize) -> Option<u64> {
    of_cpu(cpu, header::NODE)
}

/// Whether a CPU is online now. One that is not may still be about to go.
#[must_use]
pub fn is_online(cpu: usize) -> bool {
    of_cpu(cpu, header::ONLINE) == Some(1)
}

/// Grows whenever a CPU goes, before anything of it moves, and when one has come.
#[must_use]
pub fn generation() -> u64 {
    word(WINDOW_BASE, header::TOPOLOGY_GENERATION)
}

/// The CPU that this thread was on a moment ago: a hint, out of date as soon as it is read.
#[must_use]
pub fn this_cpu_hint() -> usize {
    ((here().wrapping_sub(WINDOW_BASE)) / stride().max(1)) as usize
}

/// Every CPU that is online now.
pub fn online() -> impl Iterator<Item = usize> {
    (0..possible_cpus()).filter(|cpu| is_online(*cpu))
}

fn of_cpu(cpu: usize, offset: u64) -> Option<u64> {
    let unit = WINDOW_BASE + cpu as u64 * stride();
    (cpu < possible_cpus()).then(|| word(unit, offset))
}

fn word(unit: u64, offset: u64) -> u64 {
    let address = with_exposed_provenance::<AtomicU64>((unit + offset) as usize);
    // SAFETY: the kernel maps a header page at the start of every unit before the first thread runs and never
    // unmaps it; `offset` is one of `header`, so aligned and inside. The kernel may write at any time, hence
    // the atomic; we only read.
    unsafe { &*address }.load(Ordering::Relaxed)
}
