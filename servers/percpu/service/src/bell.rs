//! Whether the thread that does chores has been rung for since it had last nothing to do.

use crate::atomic::{AtomicBool, Ordering, constant};

/// Rung by whoever finds something to do, looked at by the one thread that does it.
///
/// That thread says that it rests, then looks for the last time, and then sleeps. So whoever finds something to do
/// afterwards wakes it up, and what was found before is seen by the last look.
#[derive(Debug)]
pub struct Bell(AtomicBool);

impl Bell {
    constant! {
        /// The thread is about to look.
        pub fn rung() -> Bell {
            Bell(AtomicBool::new(true))
        }
    }

    /// There is something to do; whether the thread has to be woken up for it.
    #[must_use]
    pub fn ring(&self) -> bool {
        !self.0.swap(true, Ordering::SeqCst)
    }

    /// The thread has nothing to do, and is about to look for the last time.
    pub fn rest(&self) {
        // A store is the same instruction, but loom would not know whether it comes before a ring that it overwrites.
        let _ = self.0.swap(false, Ordering::SeqCst);
    }
}
