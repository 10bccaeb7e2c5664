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

use crate::kept::{self, Kept};
use crate::{chores, with_service};

/// Most pages of the memory of a batch.
const BATCH_PAGES: u64 = MOST_ENTRIES * ENTRY_WORDS as u64 * 8 / PAGE_SIZE;

/// Answers `Batch`.
pub fn batch(badge: u64, entries: u64, is_kept: bool, capability: Handle) -> Message {
    let act = |mapping: &Mapping| answer_entries(badge, entries, mapping.words());
    let done = match kept::take(badge, capability) {
        Some(kept) => {
            // The handle came with the message, so it is valid.
            let _ = ipc::drop_capability(capability);
            let done = act(&kept.mapping);
            if is_kept {
                kept.keep();
            }
            done
        }
        None => mapped(badge, capability, BATCH_PAGES).and_then(|mapping| {
            let done = act(&mapping);
            if is_kept && let Some(kept) = Kept::new(badge, capability, mapping) {
                kept.keep();
            }
            done
        }),
    };
    let (is_due, is_known) = with_service(|service| (service.is_balance_due(), service.knows(badge)));
    chores::ring_if(is_due);
    if is_kept && !is_known {
        // It has ended meanwhile, and what is kept was perhaps looked through before.
        kept::let_go_of_ended();
    }
    message(done)
}

/// Answers `Map`.
pub fn map(badge: u64, capability: Handle) -> Message {
    message(mapped(badge, capability, map::MOST_PAGES).and_then(|mapping| {
        let mut sheet = Page(mapping.words());
        with_service(|service| service.map_to(badge, &mut sheet))
    }))
}

/// Answers `Trace`.
pub fn trace(badge: u64, from: u64, capability: Handle) -> Message {
    message(mapped(badge, capability, trace::MOST_PAGES).and_then(|mapping| {
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

/// The memory, mapped. The capability goes with the mapping, and at once if it is refused.
fn mapped(badge: u64, capability: Handle, most_pages: u64) -> Result<Mapping, PercpuError> {
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
    Mapping::new(memory).map_err(|_| bad)
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
