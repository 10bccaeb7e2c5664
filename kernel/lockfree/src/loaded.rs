//! Which page table a CPU has loaded, for those who change it.

use crate::atomic::{AtomicU64, Ordering, constant};

/// The page table that one CPU uses, or is about to load. Only that CPU changes it; others read it.
#[repr(transparent)]
#[derive(Debug)]
pub struct Loaded(AtomicU64);

impl Loaded {
    constant! {
        /// None that anybody changes.
        #[inline]
        pub fn nothing() -> Loaded {
            Loaded(AtomicU64::new(0))
        }
    }

    /// Loads a page table. `load` waits for all stores before it, as a write of CR3 does (SDM volume 3, section 8.3).
    /// So whoever changes a page table, and then looks here, either finds it in use, or this CPU walks the changed one; and
    /// whoever finds another one sees what was done with the one before.
    #[inline]
    pub fn switch(&self, root: u64, load: impl FnOnce(u64)) {
        self.0.store(root, Ordering::Release);
        load(root);
    }

    /// The page table that the CPU uses. Whoever asks has put a fence behind its own stores.
    #[inline]
    #[must_use]
    pub fn root(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}
