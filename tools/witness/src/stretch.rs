//! How long the kernel keeps interrupts off: instructions from an entry to the exit, or to the next one that lets
//! interrupts in.
//!
//! What is kept of the longest: where it began, and samples from all of it, evenly spaced however long it is.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// Instructions at the beginning that are kept.
const FIRST: usize = 1024;
/// Samples of all, at most.
const SAMPLES: usize = 1024;

/// A virtual CPU's current stretch. Only its own thread uses it.
pub struct Stretch {
    /// 0 before the kernel has left for user mode: the boot is none.
    is_armed: AtomicU64,
    length: AtomicU64,
    first: [AtomicU64; FIRST],
    samples: [AtomicU64; SAMPLES],
    kept: AtomicU64,
    step: AtomicU64,
}

/// A stretch, as it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Who ran it.
    pub cpu: u32,
    /// How long it was.
    pub instructions: u64,
    /// Its first instructions' addresses.
    pub first: Vec<u64>,
    /// Addresses of instructions in it, evenly spaced.
    pub samples: Vec<u64>,
}

impl Stretch {
    /// None.
    #[must_use]
    pub const fn new() -> Stretch {
        Stretch {
            is_armed: AtomicU64::new(0),
            length: AtomicU64::new(0),
            first: [const { AtomicU64::new(0) }; FIRST],
            samples: [const { AtomicU64::new(0) }; SAMPLES],
            kept: AtomicU64::new(0),
            step: AtomicU64::new(1),
        }
    }

    /// An instruction of the kernel.
    pub fn go_on(&self, address: u64) {
        if get(&self.is_armed) == 0 {
            return;
        }
        let length = get(&self.length);
        set(&self.length, length + 1);
        if let Some(place) = self.first.get(length as usize) {
            set(place, address);
        }
        if length.is_multiple_of(get(&self.step)) {
            self.sample(address);
        }
    }

    /// Room is made by taking every other one away.
    fn sample(&self, address: u64) {
        let mut kept = get(&self.kept) as usize;
        if kept == SAMPLES {
            kept = SAMPLES / 2;
            (0..kept).for_each(|index| set(&self.samples[index], get(&self.samples[2 * index])));
            set(&self.step, get(&self.step) * 2);
        }
        set(&self.samples[kept], address);
        set(&self.kept, kept as u64 + 1);
    }

    /// The kernel leaves for user mode.
    pub fn arm(&self) {
        set(&self.is_armed, 1);
    }

    /// How long it is.
    #[must_use]
    pub fn length(&self) -> u64 {
        get(&self.length)
    }

    /// Forgets it: interrupts may come.
    pub fn reset(&self) {
        set(&self.length, 0);
        set(&self.kept, 0);
        set(&self.step, 1);
    }

    /// What is kept of it.
    #[must_use]
    pub fn told(&self, cpu: u32) -> Told {
        let instructions = get(&self.length);
        let first = &self.first[..FIRST.min(instructions as usize)];
        let samples = &self.samples[..get(&self.kept) as usize];
        Told {
            cpu,
            instructions,
            first: first.iter().map(get).collect(),
            samples: samples.iter().map(get).collect(),
        }
    }
}

impl Default for Stretch {
    fn default() -> Stretch {
        Stretch::new()
    }
}

fn get(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

fn set(word: &AtomicU64, value: u64) {
    word.store(value, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_is_no_stretch_and_samples_are_spread_over_all() {
        let stretch = Stretch::new();
        stretch.go_on(1);
        assert_eq!(stretch.length(), 0);
        stretch.arm();
        for address in 0..10_000 {
            stretch.go_on(address);
        }
        assert_eq!(stretch.length(), 10_000);
        let told = stretch.told(3);
        assert_eq!((told.cpu, told.instructions), (3, 10_000));
        assert_eq!(told.first.len(), FIRST);
        assert!(told.samples.len() > SAMPLES / 2 && told.samples.len() <= SAMPLES);
        assert!(told.samples.windows(2).all(|pair| pair[1] - pair[0] == 16));
        stretch.reset();
        assert_eq!(stretch.length(), 0);
    }
}
