//! How many objects of each kind there are: for those who want to see that all have gone.

use core::sync::atomic::{AtomicU64, Ordering};

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Processes.
    Process,
    /// Threads.
    Thread,
    /// Endpoints.
    Endpoint,
    /// Notifications.
    Notification,
    /// Memory objects.
    Memory,
}

static COUNTS: [AtomicU64; 5] = [const { AtomicU64::new(0) }; 5];

/// One of a kind, as long as this lives.
pub struct Counted(Kind);

impl Counted {
    /// One more.
    pub fn new(kind: Kind) -> Counted {
        COUNTS[kind as usize].fetch_add(1, Ordering::Relaxed);
        Counted(kind)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        COUNTS[self.0 as usize].fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many there are of each kind, in the order of [`Kind`].
pub fn counts() -> [u64; 5] {
    COUNTS.each_ref().map(|count| count.load(Ordering::Relaxed))
}
