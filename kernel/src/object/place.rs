//! What a thread waits for, in a row there: when its process ends, it is taken from there, and nobody has to come by
//! first.

use alloc::sync::Weak;

use super::{Endpoint, Notification, Parked, Process, Thread};
use crate::schedule;
use crate::sync::{Lock, rank};

/// Where a row of threads is.
pub enum Place {
    /// Callers; or a suspended receiver.
    Endpoint(Weak<Endpoint>),
    /// Those who want its bits.
    Notification(Weak<Notification>),
    /// Those who want to know of its end.
    Process(Weak<Process>),
    /// The same.
    Thread(Weak<Thread>),
}

/// What a thread waits for, or nothing.
pub struct WaitsAt(Lock<Option<Place>, { rank::PLACE }>);

impl WaitsAt {
    /// It does not wait.
    pub const fn nothing() -> WaitsAt {
        WaitsAt(Lock::new(None))
    }

    /// It is about to wait there.
    pub fn set(&self, place: Place) {
        *self.0.lock() = Some(place);
    }

    /// It does not wait any more.
    pub fn take(&self) -> Option<Place> {
        self.0.lock().take()
    }
}

impl Parked {
    /// About to wait in a row that is locked. Whether it may: not when its process has ended, for nobody looks for it there
    /// any more.
    #[must_use]
    pub fn begins_to_wait(&self, place: Place) -> bool {
        self.thread().waits_at.set(place);
        !self.is_dead()
    }

    /// Was taken from the row.
    pub fn has_waited(&self) {
        drop(self.thread().waits_at.take());
    }
}

impl Thread {
    /// Its process has ended: takes it from where it waits, or is ready. Whether it was there. Receivers are not found: those
    /// of a CPU are that CPU's.
    pub fn let_go(&self) -> bool {
        let waiting = match self.waits_at.take() {
            Some(Place::Endpoint(endpoint)) => endpoint.upgrade().and_then(|it| it.take_out(self)),
            Some(Place::Notification(bits)) => bits.upgrade().and_then(|it| it.take_out(self)),
            Some(Place::Process(process)) => process.upgrade().and_then(|it| it.ending.take_out(self)),
            Some(Place::Thread(thread)) => thread.upgrade().and_then(|it| it.ending.take_out(self)),
            None => None,
        };
        waiting.or_else(|| schedule::take_out(self)).is_some()
    }
}
