//! The stop-watch.

use core::arch::asm;

/// Readings of which the smallest counts.
const TRIES: usize = 9;
/// Operations between two readings.
pub const TIMES: u64 = 16;

/// The time stamp counter.
#[inline(always)]
fn now() -> u64 {
    let [low, high]: [u64; 2];
    // SAFETY: reads a counter that programs may read.
    unsafe { asm!("rdtsc", out("rax") low, out("rdx") high, options(nostack)) };
    high << 32 | low
}

/// What one operation costs, from what [`TIMES`] and twice as many cost; rounded up.
#[inline(always)]
pub fn difference(once: impl FnMut(), twice: impl FnMut()) -> u64 {
    smallest(twice).saturating_sub(smallest(once)).div_ceil(TIMES)
}

#[inline(always)]
fn smallest(mut body: impl FnMut()) -> u64 {
    let mut least = u64::MAX;
    for _ in 0..TRIES {
        let start = now();
        body();
        least = least.min(now().wrapping_sub(start));
    }
    least
}

/// What an expression costs, with what it makes dropped at once.
macro_rules! each {
    ($operation:expr) => {
        $crate::clock::difference(
            || {
                $crate::clock::sixteen!($operation);
            },
            || {
                $crate::clock::sixteen!($operation);
                $crate::clock::sixteen!($operation);
            },
        )
    };
}

/// An expression sixteen times.
macro_rules! sixteen {
    ($operation:expr) => {
        $crate::clock::four!($operation);
        $crate::clock::four!($operation);
        $crate::clock::four!($operation);
        $crate::clock::four!($operation);
    };
}

/// An expression four times.
macro_rules! four {
    ($operation:expr) => {
        let _ = $operation;
        let _ = $operation;
        let _ = $operation;
        let _ = $operation;
    };
}

pub(crate) use {each, four, sixteen};
