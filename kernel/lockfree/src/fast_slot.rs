//! One capability to an endpoint, as the assembly of messages reads it while others change it.
//!
//! A slot names the one handle with which it may be called, and the one with which it may be received at. So
//! one comparison checks bounds, generation, kind and right. Whoever changes a slot holds a lock, takes the
//! handles away first and puts them in last. A reader on another CPU reads the handle, the rest of the slot, and
//! the handle again. The first look vouches that the rest is there already, also for a handle that was guessed
//! before it was given out; the second that it is there still, since handles are never used again.
//! (Loads and stores each keep their order on x86: SDM volume 3, section 8.2.2.)

use crate::atomic::{AtomicU64, Ordering};

/// One slot, 32 bytes.
#[repr(C)]
#[derive(Debug)]
pub struct FastSlot {
    /// The handle with the right to send, or no handle of this slot.
    pub send: AtomicU64,
    /// The handle with the right to receive, or no handle of this slot.
    pub receive: AtomicU64,
    /// Where the endpoint's receivers wait: the address of a per-CPU word.
    pub receivers: AtomicU64,
    /// What a receiver learns.
    pub badge: AtomicU64,
}

impl FastSlot {
    /// An empty slot; `none` is a word that is no handle of it.
    #[inline]
    #[must_use]
    pub fn new(none: u64) -> FastSlot {
        FastSlot {
            send: AtomicU64::new(none),
            receive: AtomicU64::new(none),
            receivers: AtomicU64::new(0),
            badge: AtomicU64::new(0),
        }
    }

    /// Fills an empty slot.
    #[inline]
    pub fn fill(&self, send: u64, receive: u64, receivers: u64, badge: u64) {
        self.receivers.store(receivers, Ordering::Release);
        self.badge.store(badge, Ordering::Release);
        self.send.store(send, Ordering::Release);
        self.receive.store(receive, Ordering::Release);
    }

    /// Empties it.
    #[inline]
    pub fn empty(&self, none: u64) {
        self.send.store(none, Ordering::SeqCst);
        self.receive.store(none, Ordering::SeqCst);
    }

    /// What the assembly does for a call: the receivers' word and the badge, if `handle` may send. Each load keeps its
    /// place.
    #[inline]
    #[must_use]
    pub fn read(&self, handle: u64) -> Option<(u64, u64)> {
        let is_it = || self.send.load(Ordering::Acquire) == handle;
        let rest = || {
            (
                self.receivers.load(Ordering::Acquire),
                self.badge.load(Ordering::Acquire),
            )
        };
        is_it().then(rest).filter(|_| is_it())
    }
}
