//! Counters: those of a virtual CPU, which it alone moves, and a copy of them at one moment.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::class::{Class, KINDS, Kind, NAMES};

/// One virtual CPU's.
pub struct Counters([AtomicU64; KINDS]);

/// Numbers by kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts(pub [u64; KINDS]);

impl Counters {
    /// All 0.
    #[must_use]
    pub const fn new() -> Counters {
        Counters([const { AtomicU64::new(0) }; KINDS])
    }

    /// Counts an instruction, for the CPU's own thread.
    pub fn count(&self, class: Class, in_kernel: bool) {
        self.add(Kind::Instruction as usize);
        if in_kernel {
            self.add(Kind::Kernel as usize);
        }
        if !class.is_plain() {
            class.kinds().for_each(|kind| self.add(kind));
        }
    }

    /// Only one thread writes, so this needs no locked instruction.
    fn add(&self, kind: usize) {
        let counter = &self.0[kind];
        counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Where they stand.
    #[must_use]
    pub fn now(&self) -> Counts {
        Counts(self.0.each_ref().map(|counter| counter.load(Ordering::Relaxed)))
    }
}

impl Default for Counters {
    fn default() -> Counters {
        Counters::new()
    }
}

impl Counts {
    /// What was counted since.
    #[must_use]
    pub fn since(&self, start: &Counts) -> Counts {
        let mut difference = *self;
        for (count, before) in difference.0.iter_mut().zip(start.0) {
            *count -= before;
        }
        difference
    }

    /// Both together.
    #[must_use]
    pub fn and(&self, other: &Counts) -> Counts {
        let mut sum = *self;
        for (count, more) in sum.0.iter_mut().zip(other.0) {
            *count += more;
        }
        sum
    }

    /// Of one kind.
    #[must_use]
    pub const fn of(&self, kind: Kind) -> u64 {
        self.0[kind as usize]
    }
}

impl Serialize for Counts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named: BTreeMap<&str, u64> = NAMES.into_iter().zip(self.0).collect();
        named.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_differences() {
        let counters = Counters::new();
        let syscall = Class::of(&[0x0f, 0x05], 0, 1);
        counters.count(syscall, false);
        let start = counters.now();
        counters.count(syscall, false);
        counters.count(Class::from_bits(0), true);
        let counts = counters.now().since(&start);
        assert_eq!(counts.of(Kind::Instruction), 2);
        assert_eq!(counts.of(Kind::Kernel), 1);
        assert_eq!(counts.of(Kind::Syscall), 1);
        assert_eq!(counts.and(&counts).of(Kind::Syscall), 2);
    }
}
