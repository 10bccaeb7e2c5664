//! The machine's shape, for userlib's files.

use loom::sync::atomic::Ordering;

use crate::cpus::{CPUS, machine};

pub const fn possible_cpus() -> usize {
    CPUS
}

pub fn online_cpus() -> usize {
    (0..CPUS).filter(|cpu| is_online(*cpu)).count()
}

pub fn is_online(cpu: usize) -> bool {
    machine().cpus[cpu].is_online.load(Ordering::Relaxed)
}

pub fn generation() -> usize {
    machine().generation.load(Ordering::Relaxed)
}
