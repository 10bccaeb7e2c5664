//! Requests whose arguments or answers lie in a client's memory: mapped here as long as the request takes.
//!
//! The client may write the memory at any time, so each word is read once, and what was read is what counts.

use core::sync::atomic::{AtomicU64, Ordering};

use abi::message::MESSAGE_WORDS;
use abi::percpu::batch::{ANSWER_WORD, ANSWERED, ENTRY_WORDS, MOST_ENTRIES, TO_DO};
use abi::percpu::{PercpuError, batch, map, trace};
use abi::{Handle, Message, PAGE_SIZE, Received};
use percpu_service::Sheet;
use userlib::memory::{Mapping, Memory};
use userlib::{ipc, machine};

use crate::{chores, with_service};

/// Most pages of the memory of a batch.
const BATCH_PAGES: u64 = MOST_ENTRIES * ENTRY_WORDS as u64 * 8 / PAGE_SIZE;

/// Answers `Batch`.
pub fn batch(badge: u64, entries: u64, capability: Handle) -> Message {
    let done = with_memory(badge, capability, BATCH_PAGES, |mapping| {
        answer_entries(badge, entries, mapping.words())
    });
    chores::ring_if(with_service(|service| service.is_balance_due()));
    message(done)
}

/// Answers `Map`.
pub fn map(badge: u64, capability: Handle) -> Message {
    message(with_memory(badge, capability, map::MOST_PAGES, |mapping| {
        let mut sheet = Page(mapping.words());
        with_service(|service| service.map_to(badge, &mut sheet))
    }))
}

/// Answers `Trace`.
pub fn trace(badge: u64, from: u64, capability: Handle) -> Message {
    message(with_memory(badge, capability, trace::MOST_PAGES, |mapping| {
        let mut sheet = Page(mapping.words());
        with_service(|service| service.trace_to(badge, from, &mut sheet))
    }))
}

fn message<const N: usize>(done: Result<[u64; N], PercpuError>) -> Message {
    match done {
        Ok(told) => {
            let mut words = [0; MESSAGE_WORDS];
            words[..N].copy_from_slice(&told);
            Message::new(0, words)
        }
        Err(refusal) => with_service(|service| service.refuse(refusal)),
    }
}

/// Maps the memory for `act`. The capability is given up in any case.
fn with_memory<T>(
    badge: u64,
    capability: Handle,
    most_pages: u64,
    act: impl FnOnce(&Mapping) -> Result<T, PercpuError>,
) -> Result<T, PercpuError> {
    if !with_service(|service| service.knows(badge)) {
        // The handle came with the message, so it is valid.
        let _ = ipc::drop_capability(capability);
        return Err(PercpuError::NotAttached);
    }
    let bad = PercpuError::BadBuffer(most_pages);
    let memory = match Memory::received(capability) {
        Ok(Some(memory)) => memory,
        Ok(None) => return Err(bad),
        Err(_) => {
            let _ = ipc::drop_capability(capability);
            return Err(bad);
        }
    };
    if memory.pages() > most_pages {
        return Err(bad);
    }
    act(&Mapping::new(memory).map_err(|_| bad)?)
}

/// One request after the other, each with the service to itself: others come in between.
fn answer_entries(badge: u64, entries: u64, words: &[AtomicU64]) -> Result<[u64; 2], PercpuError> {
    let room = (words.len() / ENTRY_WORDS) as u64;
    if entries > room {
        return Err(PercpuError::BadBuffer(BATCH_PAGES));
    }
    for slot in words.chunks_exact(ENTRY_WORDS).take(entries as usize) {
        let mut entry = [TO_DO; ENTRY_WORDS];
        for (to, word) in entry.iter_mut().zip(slot) {
            *to = word.load(Ordering::Relaxed);
        }
        // What was answered before a server ended is not asked again.
        let Some(message) = batch::request(&entry) else {
            continue;
        };
        let answer = chores::outlast(|service| service.answer(&Received { badge, message }));
        slot[ANSWER_WORD].store(answer.label, Ordering::Relaxed);
        for (to, word) in slot[ANSWER_WORD + 1..].iter().zip(answer.words) {
            to.store(word, Ordering::Relaxed);
        }
        slot[0].store(ANSWERED, Ordering::Release);
    }
    Ok([entries, 0])
}

/// The memory that a map is written to.
struct Page<'a>(&'a [AtomicU64]);

impl Sheet for Page<'_> {
    fn words(&self) -> usize {
        self.0.len()
    }

    fn write(&mut self, at: usize, word: u64) {
        self.0[at].store(word, Ordering::Relaxed);
    }

    fn nodes(&self) -> usize {
        machine::nodes()
    }

    fn node(&self, cpu: usize) -> usize {
        machine::node(cpu).unwrap_or(0) as usize
    }
}
