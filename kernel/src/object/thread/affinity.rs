//! Where a thread may run, and what has to be settled before it runs somewhere.

use core::sync::atomic::Ordering;

use abi::syscall::CpuMask;
use percpu_core::CpuId;

use super::{Parked, Thread, attention};
use crate::schedule;

/// Where a thread may run.
#[derive(Clone, Copy)]
pub struct Affinity {
    /// On these CPUs.
    pub mask: CpuMask,
    /// As long as none of them is online, anywhere.
    pub is_loose: bool,
}

impl Thread {
    /// Where it may run.
    pub fn affinity(&self) -> Affinity {
        *self.affinity.lock()
    }

    /// Changes the CPUs that it may run on.
    pub fn set_affinity(&self, affinity: Affinity) {
        *self.affinity.lock() = affinity;
        self.fast.attention.fetch_or(attention::MOVED, Ordering::SeqCst);
    }

    /// Whether it may run nowhere before one of its CPUs is online.
    pub fn is_bound_to_none_online(&self) -> bool {
        let affinity = self.affinity.lock();
        !affinity.is_loose && !schedule::is_any_online(&affinity.mask)
    }

    /// The same for a thread that waits on a CPU that is online: its CPUs must have been changed.
    pub fn is_stranded(&self) -> bool {
        let attention = self.fast.attention.load(Ordering::SeqCst);
        attention & attention::MOVED != 0 && self.is_bound_to_none_online()
    }

    /// Whether it may run on `cpu`.
    pub fn may_run_on(&self, cpu: CpuId) -> bool {
        let affinity = self.affinity.lock();
        affinity.mask.contains(cpu.index()) || affinity.is_loose && !schedule::is_any_online(&affinity.mask)
    }
}

impl Parked {
    /// Settles what the assembly has to know before it is run on `cpu`, which it may run on.
    pub fn settle_on(&mut self, cpu: CpuId) {
        let is_elsewhere = self.cpu_of_caller().is_some_and(|home| home != Some(cpu));
        let elsewhere = if is_elsewhere {
            attention::CALLER_ELSEWHERE
        } else {
            0
        };
        self.thread()
            .set_attention(attention::CALLER_ELSEWHERE | attention::MOVED, elsewhere);
    }

    /// The same for a thread that was looked at before: a change of its CPUs since then is not forgotten.
    pub fn settle_again_on(&mut self, cpu: CpuId) {
        self.settle_on(cpu);
        if !self.thread().may_run_on(cpu) {
            self.thread().set_attention(attention::MOVED, attention::MOVED);
        }
    }
}
