//! A stop-watch on the time stamp counter: where the emulator counts instructions, these are instructions.

use core::arch::x86_64::_rdtsc;

/// Adds up the time between starts and stops.
pub struct Stopwatch {
    ticks: u64,
    since: u64,
}

impl Stopwatch {
    /// A running one.
    pub fn start() -> Stopwatch {
        Stopwatch {
            ticks: 0,
            since: now(),
        }
    }

    /// Adds the time since the last start.
    pub fn stop(&mut self) {
        self.ticks += now().wrapping_sub(self.since);
    }

    /// Runs again.
    pub fn go_on(&mut self) {
        self.since = now();
    }

    /// The sum, as of the last stop.
    pub fn ticks(&self) -> u64 {
        self.ticks
    }
}

fn now() -> u64 {
    // SAFETY: every CPU of this architecture has RDTSC, and nothing forbids it to the kernel.
    unsafe { _rdtsc() }
}
