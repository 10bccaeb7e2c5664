//! A request to other CPUs to forget translations, and how many have not done it yet.

use crate::atomic::{AtomicU64, Ordering};

/// One request, shared by whoever asks and those who are asked.
#[derive(Debug)]
pub struct Flush {
    /// The page table whose translations are to be forgotten.
    pub root: u64,
    pending: AtomicU64,
}

impl Flush {
    /// Nobody is asked yet.
    #[inline]
    #[must_use]
    pub fn new(root: u64) -> Flush {
        Flush {
            root,
            pending: AtomicU64::new(0),
        }
    }

    /// One more is about to be asked.
    #[inline]
    pub fn expect_one(&self) {
        self.pending.fetch_add(1, Ordering::Relaxed);
    }

    /// One has forgotten: what it did with the translations before is seen by whoever finds this done.
    #[inline]
    pub fn acknowledge(&self) {
        self.pending.fetch_sub(1, Ordering::Release);
    }

    /// Whether all have.
    #[inline]
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.pending.load(Ordering::Acquire) == 0
    }
}
