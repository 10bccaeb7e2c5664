//! The stop-watch.

use core::arch::asm;

use userlib::rounds::Rounds;

/// Readings of which the smallest counts.
const TRIES: usize = 9;
/// Operations between two readings.
pub const TIMES: u64 = 16;
/// Measured rounds.
const ROUNDS: usize = 256;

/// The time stamp counter.
#[inline(always)]
fn now() -> u64 {
    let now: u64;
    // SAFETY: reads a counter that programs may read. One block, so that every reading has the same instructions.
    unsafe {
        asm!("rdtsc", "shl rdx, 32", "or rax, rdx", out("rax") now, out("rdx") _, options(nostack));
    }
    now
}

/// Whether the counter counts instructions: two thousand read a thousand more than one thousand.
pub fn is_exact() -> bool {
    let one = smallest(&mut thousand);
    let two = smallest(&mut || {
        thousand();
        thousand();
    });
    two == one + 1000
}

#[inline(always)]
fn thousand() {
    // SAFETY: they do nothing.
    unsafe { asm!(".rept 1000", "nop", ".endr", options(nomem, nostack)) };
}

/// What one operation costs, from what [`TIMES`] and twice as many cost: so loading what they need, which stands once
/// in front of them all, and the readings themselves are not in it. A fraction is rounded up.
#[inline(always)]
pub fn rounds(mut once: impl FnMut(), mut twice: impl FnMut()) -> Rounds {
    let before = smallest(&mut once);
    let mut total = 0;
    let mut costs = [0; ROUNDS];
    for cost in &mut costs {
        let whole = reading(&mut twice);
        total += whole;
        let one = whole.saturating_sub(before).div_ceil(TIMES);
        *cost = u32::try_from(one).unwrap_or(u32::MAX);
    }
    Rounds::of(&mut costs, 1, total)
}

#[inline(always)]
fn smallest(body: &mut impl FnMut()) -> u64 {
    (0..TRIES).fold(u64::MAX, |least, _| least.min(reading(body)))
}

#[inline(always)]
fn reading(body: &mut impl FnMut()) -> u64 {
    let start = now();
    body();
    now().wrapping_sub(start)
}

/// What something gives back, and what it costs with the reading; the error if it gives none.
#[inline(always)]
pub fn around<T, E>(body: impl FnOnce() -> Result<T, E>) -> Result<(T, u32), E> {
    let start = now();
    let done = body();
    let cost = now().wrapping_sub(start);
    Ok((done?, u32::try_from(cost).unwrap_or(u32::MAX)))
}

/// What an expression costs, with what it makes dropped at once.
macro_rules! each {
    ($operation:expr) => {
        $crate::clock::rounds(
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
