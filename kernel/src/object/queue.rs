//! Threads that wait in a row. The row is made of the threads themselves, each of which waits in one place at a time:
//! so letting one wait, or waking it, takes no memory and cannot fail.

use super::Parked;

/// First come, first served.
#[derive(Default)]
pub struct Queue {
    /// The token of the first thread; behind each stands the next one's (`Context::next`). 0 is none.
    first: u64,
    last: u64,
    length: usize,
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
    pub fn push_back(&mut self, mut thread: Parked) {
        thread.context().next = 0;
        let word = thread.into_word();
        // SAFETY: 1. the word of a thread that waits here. It is made a word again at once.
        match unsafe { Parked::from_word(self.last) } {
            None => self.first = word,
            Some(mut last) => {
                last.context().next = word;
                self.last = last.into_word();
            }
        }
        self.last = word;
        self.length += 1;
    }

    /// Lets a thread wait in front of all others.
    pub fn push_front(&mut self, mut thread: Parked) {
        thread.context().next = self.first;
        self.first = thread.into_word();
        if self.last == 0 {
            self.last = self.first;
        }
        self.length += 1;
    }

    /// Takes the first one out.
    pub fn pop_front(&mut self) -> Option<Parked> {
        // SAFETY: 1. the word of a thread that waits here, which the next lines take out.
        let mut first = unsafe { Parked::from_word(self.first) }?;
        self.first = first.context().next;
        if self.first == 0 {
            self.last = 0;
        }
        self.length -= 1;
        Some(first)
    }
}

impl Queue {
    /// Takes the first one out that is looked for.
    pub fn remove(&mut self, is_it: impl Fn(&Parked) -> bool) -> Option<Parked> {
        let mut rest = core::mem::take(self);
        let mut found = None;
        while let Some(thread) = rest.pop_front() {
            match found.is_none() && is_it(&thread) {
                true => found = Some(thread),
                false => self.push_back(thread),
            }
        }
        found
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        while let Some(thread) = self.pop_front() {
            drop(thread);
        }
    }
}
