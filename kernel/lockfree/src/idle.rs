//! Whether a CPU idles, so that whoever has work for it knows whether to send an interrupt.

use crate::atomic::{AtomicBool, Ordering, constant};

/// One CPU's word. The CPU says that it idles before it looks for the last time whether somebody is ready
/// ([`Urgency`](crate::Urgency)), and whoever makes somebody ready asks afterwards.
#[derive(Debug)]
pub struct Idle(AtomicBool);

impl Idle {
    constant! {
        /// Not started yet, which is the same.
        #[inline]
        pub fn at_boot() -> Idle {
            Idle(AtomicBool::new(true))
        }
    }

    /// About to look for the last time; the CPU sleeps if it finds nothing.
    #[inline]
    pub fn begin(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Awake.
    #[inline]
    pub fn end(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    /// Whether the CPU has to be woken for what was just queued.
    #[inline]
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
