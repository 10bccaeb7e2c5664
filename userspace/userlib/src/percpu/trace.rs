//! The server's trace (O5), for programs that may observe.

use core::sync::atomic::Ordering;

use abi::percpu::Request;
use abi::percpu::trace::{EVENT_WORDS, Event, MOST_PAGES};

use super::{Error, send};
use crate::memory::{Mapping, Memory};

/// Reads the trace, from one event to the next.
#[derive(Debug)]
pub struct Tracer {
    next: u64,
}

/// What was read at once.
#[derive(Debug)]
pub struct Events {
    mapping: Mapping,
    events: u64,
    /// Events that came before these, behind the last ones that were read, and are no longer there.
    pub lost: u64,
}

impl Tracer {
    /// Reads from this event on; the first one of all has number 1.
    #[must_use]
    pub const fn from(next: u64) -> Tracer {
        Tracer { next }
    }

    /// The number of the event that comes next.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// All events since, as far as they are still there.
    ///
    /// # Errors
    /// See [`Error`]; `NotPermitted` for a program that may not observe.
    pub fn read(&mut self) -> Result<Events, Error> {
        let memory = Memory::own(MOST_PAGES)?;
        let handle = memory.handle();
        let mapping = Mapping::new(memory)?;
        let request = Request::Trace { from: self.next }.encode();
        let [first, events, ..] = send(&request.with_capability(handle))?;
        let lost = first.saturating_sub(self.next.max(1));
        self.next = first + events;
        Ok(Events {
            mapping,
            events,
            lost,
        })
    }
}

impl Events {
    /// One after the other.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Event> + '_ {
        let rows = self.mapping.words().chunks_exact(EVENT_WORDS);
        rows.take(self.events as usize)
            .map(|row| Event::decode(&core::array::from_fn(|at| row[at].load(Ordering::Acquire))))
    }
}
