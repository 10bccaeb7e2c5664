//! How urgent a thread is: by itself, or for whom it serves.

use core::sync::atomic::Ordering;

use super::{Parked, Thread, attention};

impl Thread {
    /// Changes the priority at which it runs for itself.
    pub fn set_priority(&self, priority: u64) {
        self.own_priority.store(priority, Ordering::SeqCst);
        self.fast.attention.fetch_or(attention::MOVED, Ordering::SeqCst);
    }

    /// Whether its own priority holds also while it serves somebody less urgent. If it serves somebody without a floor now,
    /// it may be at another priority than he.
    pub fn set_floor(&self, is_floor: bool) {
        let had_floor = self.fast.attention.load(Ordering::SeqCst) & attention::FLOOR != 0;
        match is_floor {
            true => self.set_attention(attention::FLOOR, attention::FLOOR),
            false if had_floor => self.set_attention(attention::FLOOR | attention::RAISED, attention::RAISED),
            false => {}
        }
    }
}

impl Parked {
    /// The priority at which it is to run: without a caller its own.
    pub fn settle_priority(&mut self) -> u64 {
        let thread = self.thread();
        if thread.caller.load(Ordering::Relaxed) == 0 {
            let own = thread.own_priority.load(Ordering::SeqCst);
            self.context().priority = own;
        }
        self.context().priority
    }

    /// Takes over the priority of a caller that it is to serve.
    pub fn take_over(&mut self, priority: u64) {
        let floor = match self.has_attention(attention::FLOOR) {
            true => self.thread().own_priority.load(Ordering::SeqCst),
            false => 0,
        };
        self.context().priority = priority.max(floor);
    }

    /// Runs at this priority from now on, until it answers whom it serves.
    pub fn raise(&mut self, priority: u64) {
        self.thread().set_priority(priority);
        self.context().priority = priority;
        if self.thread().caller.load(Ordering::Relaxed) != 0 {
            self.thread().set_attention(attention::RAISED, attention::RAISED);
        }
    }
}
