//! Which priorities are ready on a CPU, and the one that it runs at.
//!
//! Whoever makes a thread ready sets the first and then reads the second; a CPU that goes on at a lower priority sets the
//! second and then reads the first. So one of them sees that somebody has to make room.

use core::mem::offset_of;

use crate::atomic::{AtomicU64, Ordering, constant};

/// The two words of one CPU. The first is written under the lock of its queue, the second by the CPU alone.
#[derive(Debug)]
pub struct Urgency {
    /// Bit p: a thread of priority p is ready.
    ready: AtomicU64,
    /// The priority at which it runs a thread, or less: the assembly does not raise it for a server's floor. Whoever is ready
    /// above it has sent an interrupt.
    current: AtomicU64,
}

impl Urgency {
    /// Where the assembly of messages finds the one.
    pub const READY: usize = offset_of!(Urgency, ready);
    /// Where it finds the other.
    pub const CURRENT: usize = offset_of!(Urgency, current);

    constant! {
        /// Nobody is ready, and whoever comes is as urgent as what runs.
        #[inline]
        pub fn at_boot() -> Urgency {
            Urgency {
                ready: AtomicU64::new(0),
                current: AtomicU64::new(0),
            }
        }
    }

    /// These are ready now. Whoever calls holds the lock of the queue.
    #[inline]
    pub fn set_ready(&self, priorities: u64) {
        self.ready.store(priorities, Ordering::SeqCst);
    }

    /// The CPU runs one that was taken from the queue, and these are left. It holds the lock of the queue.
    #[inline]
    pub fn take(&self, priority: u64, left: u64) {
        self.current.store(priority, Ordering::SeqCst);
        self.ready.store(left, Ordering::SeqCst);
    }

    /// The CPU goes on at this priority; whether somebody more urgent is ready.
    #[inline]
    #[must_use]
    pub fn run_at(&self, priority: u64) -> bool {
        if self.current.load(Ordering::Relaxed) != priority {
            self.current.store(priority, Ordering::SeqCst);
        }
        self.ready.load(Ordering::SeqCst) >> priority > 1
    }

    /// Whether the CPU runs somebody less urgent, and has to be told of one that was made ready just now.
    #[inline]
    #[must_use]
    pub fn is_below(&self, priority: u64) -> bool {
        self.current.load(Ordering::SeqCst) < priority
    }

    /// Whether a thread is ready that is as urgent as this or more.
    #[inline]
    #[must_use]
    pub fn has_from(&self, priority: u64) -> bool {
        self.ready.load(Ordering::SeqCst) >> priority != 0
    }
}
