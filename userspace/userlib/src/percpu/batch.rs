//! Many requests in one round trip, through memory that is shared with the server for its time.

use core::sync::atomic::Ordering;

use abi::percpu::batch::{self, ENTRY_WORDS, MOST_ENTRIES, TO_DO};
use abi::percpu::{Grant, PercpuError, Populate, Request};
use abi::{Handle, Message, PAGE_SIZE};

use super::{Error, LAST_NUMBER, Region, padded, send};
use crate::memory::{Mapping, Memory};

/// Requests that wait to be sent together.
#[derive(Debug)]
pub struct Batch {
    memory: Handle,
    mapping: Mapping,
    entries: usize,
    is_kept: bool,
}

impl Batch {
    /// An empty one with room for [`MOST_ENTRIES`].
    ///
    /// # Errors
    /// See [`Error`].
    pub fn new() -> Result<Batch, Error> {
        let memory = Memory::own(MOST_ENTRIES * ENTRY_WORDS as u64 * 8 / PAGE_SIZE)?;
        let handle = memory.handle();
        let mapping = Mapping::new(memory)?;
        Ok(Batch {
            memory: handle,
            mapping,
            entries: 0,
            is_kept: false,
        })
    }

    /// The same for whoever will use it again ([`Answers::again`]): the server keeps its memory mapped, which saves both
    /// much. It is this program's to pay for until a batch lies in other memory.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn kept() -> Result<Batch, Error> {
        let batch = Batch::new()?;
        Ok(Batch {
            is_kept: true,
            ..batch
        })
    }

    /// Adds a request. False when there is no room for another one.
    #[must_use]
    pub fn push(&mut self, request: &Request) -> bool {
        if self.entries as u64 == MOST_ENTRIES {
            return false;
        }
        self.write(self.entries, &batch::entry(&request.encode()));
        self.entries += 1;
        true
    }

    /// Adds the creation of a region: see [`Region::create`].
    #[must_use]
    pub fn create(&mut self, unit_bytes: u64, populate: Populate, name: &str) -> bool {
        let name = padded(name);
        self.push(&Request::Create {
            unit_bytes,
            populate,
            name,
        })
    }

    /// Sends all of it; each request has an answer of its own then.
    ///
    /// # Errors
    /// See [`Error`]; nothing is known of the requests then.
    pub fn run(self) -> Result<Answers, Error> {
        let mut number = LAST_NUMBER.lock();
        for index in 0..self.entries {
            let mut entry = self.read(index);
            let request = batch::request(&entry).unwrap_or_default();
            let is_change = Request::decode(&with_number(request, 1)).is_ok();
            if is_change {
                *number += 1;
                entry[1..batch::ANSWER_WORD].copy_from_slice(&words_of(&with_number(request, *number)));
                self.write(index, &entry);
            }
        }
        let request = Request::Batch {
            entries: self.entries as u64,
            is_kept: self.is_kept,
        };
        send(&request.encode().with_capability(self.memory))?;
        Ok(Answers(self))
    }

    fn write(&self, index: usize, entry: &[u64; ENTRY_WORDS]) {
        let words = &self.mapping.words()[index * ENTRY_WORDS..];
        for (to, word) in words.iter().zip(entry) {
            to.store(*word, Ordering::Relaxed);
        }
    }

    fn read(&self, index: usize) -> [u64; ENTRY_WORDS] {
        let words = &self.mapping.words()[index * ENTRY_WORDS..];
        let mut entry = [TO_DO; ENTRY_WORDS];
        for (to, word) in entry.iter_mut().zip(words) {
            *to = word.load(Ordering::Acquire);
        }
        entry
    }
}

/// A request that changes nothing has no number, and is none with one.
fn with_number(message: Message, number: u64) -> Message {
    let mut message = message;
    message.words[abi::percpu::NUMBER_WORD] = number;
    message
}

fn words_of(message: &Message) -> [u64; batch::ANSWER_WORD - 1] {
    let mut words = [message.label; batch::ANSWER_WORD - 1];
    words[1..].copy_from_slice(&message.words);
    words
}

/// What became of a batch.
#[derive(Debug)]
pub struct Answers(Batch);

impl Answers {
    /// An empty batch in the same memory.
    #[must_use]
    pub fn again(self) -> Batch {
        Batch { entries: 0, ..self.0 }
    }

    /// The words of the answer to a request, by its place; `None` behind the last one.
    #[must_use]
    pub fn words(&self, index: usize) -> Option<Result<[u64; 6], PercpuError>> {
        let entry = (index < self.0.entries).then(|| self.0.read(index))?;
        batch::answer(&entry).map(|answer| PercpuError::from_answer(&answer))
    }

    /// The region that a request has created.
    #[must_use]
    pub fn region(&self, index: usize) -> Option<Result<Region, PercpuError>> {
        let words = self.words(index)?;
        Some(words.map(|words| Region::from_grant(&Grant::decode(&words))))
    }
}
