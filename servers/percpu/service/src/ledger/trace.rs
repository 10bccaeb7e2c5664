//! The ring of events.

use abi::percpu::ledger::PAGES;
use abi::percpu::trace::{EVENT_WORDS, Event, EventKind, MOST_EVENTS};

use super::{Counter, Ledger, PAGE_WORDS, TRACE, Words};

/// One more than are told: a server may end while it writes that one.
const EVENTS: u64 = MOST_EVENTS + 1;

const _: () = assert!(TRACE + EVENTS as usize * EVENT_WORDS <= PAGES as usize * PAGE_WORDS);

impl<W: Words> Ledger<W> {
    /// Adds an event to the trace. It counts when the counter says so: before, it is not there, and neither is the one
    /// whose place it takes.
    #[inline(always)]
    pub fn record(&mut self, event: &Event) {
        let sequence = self.counter(Counter::Traced) + 1;
        let row = Event { sequence, ..*event }.encode();
        self.0.write_row(place_of(sequence), &row);
        self.set_counter(Counter::Traced, sequence);
    }

    /// The same, if a server before this one has not done it as the last thing, but for what servers trace when they start.
    pub fn record_once(&mut self, event: &Event) {
        use EventKind::{CreateChunk, DestroyChunk, ServerStart};
        let of_start = [CreateChunk, DestroyChunk, ServerStart].map(|kind| kind as u8);
        let mut events = self.events().rev().map(|sequence| self.event(sequence));
        let last = events.find(|event| !of_start.contains(&event.kind));
        let last = last.unwrap_or_default();
        let what = |event: &Event| (event.kind, event.badge, event.region);
        if what(&last) != what(event) {
            self.record(event);
        }
    }

    /// The events that are there, by their numbers.
    pub fn events(&self) -> core::ops::Range<u64> {
        let next = self.counter(Counter::Traced) + 1;
        next.saturating_sub(MOST_EVENTS).max(1)..next
    }

    /// One of them.
    pub fn event(&self, sequence: u64) -> Event {
        let mut words = [0; EVENT_WORDS];
        for (index, word) in words.iter_mut().enumerate() {
            *word = self.0.read(place_of(sequence) + index);
        }
        Event::decode(&words)
    }
}

fn place_of(sequence: u64) -> usize {
    TRACE + (sequence % EVENTS) as usize * EVENT_WORDS
}
