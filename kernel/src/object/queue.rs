//! Threads that wait in a row. The row is made of the threads themselves, each of which waits in one place at a time:
//! so letting one wait, waking it, or taking it out of the middle, takes no memory, a few instructions, and cannot fail.
//!
//! A thread says in which row it waits by that row's address, so a row stays where it is while somebody waits in it and
//! could be taken out.

use core::sync::atomic::{AtomicU64, Ordering};

use super::{Parked, Thread};

/// First come, first served.
pub struct Queue {
    /// The token of the first thread; behind each stands the next one's (`Context::next`), and in front of it the previous
    /// one's. 0 is none.
    first: u64,
    last: u64,
    length: usize,
}

/// The address of the row in which a thread waits; 0 is none. Changed by whoever has that row.
pub struct InRow(AtomicU64);

impl InRow {
    /// In none.
    pub const fn none() -> InRow {
        InRow(AtomicU64::new(0))
    }

    /// Which one.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Queue {
    /// Nobody waits.
    pub const fn new() -> Queue {
        Queue {
            first: 0,
            last: 0,
            length: 0,
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Lets a thread wait behind all others.
    pub fn push_back(&mut self, thread: Parked) {
        self.insert(self.last, thread, 0);
    }

    /// Lets a thread wait in front of all others.
    pub fn push_front(&mut self, thread: Parked) {
        self.insert(0, thread, self.first);
    }

    /// Takes the first one out.
    pub fn pop_front(&mut self) -> Option<Parked> {
        // SAFETY: 1. the word of a thread that waits here, which is taken out now.
        let first = unsafe { Parked::from_word(self.first) }?;
        Some(self.unlink(first))
    }

    /// Takes a thread out, if it waits here.
    pub fn remove(&mut self, thread: &Thread) -> Option<Parked> {
        if thread.in_row.get() != self.address() {
            return None;
        }
        // SAFETY: 1. its token was made a word when it began to wait here, and is taken out now.
        let thread = unsafe { Parked::from_word(Parked::word_of(thread)) }?;
        Some(self.unlink(thread))
    }

    fn address(&self) -> u64 {
        core::ptr::from_ref(self).addr() as u64
    }

    /// Puts a thread between two that stand side by side; 0 is the end of the row.
    fn insert(&mut self, previous: u64, mut thread: Parked, next: u64) {
        let context = thread.context();
        (context.previous, context.next) = (previous, next);
        thread.thread().in_row.0.store(self.address(), Ordering::Relaxed);
        let word = thread.into_word();
        self.link(previous, word);
        self.link_back(next, word);
        self.length += 1;
    }

    fn unlink(&mut self, mut thread: Parked) -> Parked {
        let context = thread.context();
        let (previous, next) = (context.previous, context.next);
        thread.thread().in_row.0.store(0, Ordering::Relaxed);
        self.link(previous, next);
        self.link_back(next, previous);
        self.length -= 1;
        thread
    }

    /// Behind `previous`, or at the beginning, stands `word` from now on.
    fn link(&mut self, previous: u64, word: u64) {
        // SAFETY: 1. the word of a thread that waits here. It is made a word again at once.
        match unsafe { Parked::from_word(previous) } {
            None => self.first = word,
            Some(mut previous) => {
                previous.context().next = word;
                previous.into_word();
            }
        }
    }

    /// In front of `next`, or at the end, stands `word` from now on.
    fn link_back(&mut self, next: u64, word: u64) {
        // SAFETY: 1. as in `link`.
        match unsafe { Parked::from_word(next) } {
            None => self.last = word,
            Some(mut next) => {
                next.context().previous = word;
                next.into_word();
            }
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        while let Some(thread) = self.pop_front() {
            drop(thread);
        }
    }
}
