//! The server's map: who has which pages, and what was counted.

use core::sync::atomic::Ordering;

use abi::percpu::Request;
use abi::percpu::map::{
    CHUNK_WORDS, Chunk, ENTRY_WORDS, Entry, HEAD_WORDS, MOST_PAGES, OWNER_WORDS, Owner, head,
};

use super::{Error, send};
use crate::memory::{Mapping, Memory};

/// A copy of the map, as it was when it was asked for.
#[derive(Debug)]
pub struct Map {
    mapping: Mapping,
}

/// Asks for the map. `pages` of ordinary memory are there for it, at most [`MOST_PAGES`]; regions beyond are left out.
///
/// # Errors
/// See [`Error`].
pub fn map(pages: u64) -> Result<Map, Error> {
    let memory = Memory::own(pages.clamp(1, MOST_PAGES))?;
    let handle = memory.handle();
    let mapping = Mapping::new(memory)?;
    send(&Request::Map.encode().with_capability(handle))?;
    Ok(Map { mapping })
}

impl Map {
    /// A word of the head: see [`head`].
    #[must_use]
    pub fn head(&self, at: usize) -> u64 {
        self.word(at.min(HEAD_WORDS - 1))
    }

    /// Its entries.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let size = self.entry_words();
        (0..self.head(head::ENTRIES) as usize).map(move |index| {
            let mut words = [0; ENTRY_WORDS];
            for (at, word) in words.iter_mut().enumerate() {
                *word = self.word(HEAD_WORDS + index * size + at);
            }
            Entry::decode(&words)
        })
    }

    /// The frames of an entry on a node, of all CPUs together.
    #[must_use]
    pub fn frames(&self, index: usize, node: usize) -> u64 {
        self.word(HEAD_WORDS + index * self.entry_words() + ENTRY_WORDS + node)
    }

    /// The chunks: the server's memory objects, and the windows.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk> + '_ {
        let from = self.head(head::CHUNKS_AT) as usize;
        (0..self.head(head::CHUNKS) as usize).map(move |index| {
            let mut words = [0; CHUNK_WORDS];
            for (at, word) in words.iter_mut().enumerate() {
                *word = self.word(from + index * CHUNK_WORDS + at);
            }
            Chunk::decode(&words)
        })
    }

    /// Who is who (O7); nobody for a program that may not observe.
    pub fn owners(&self) -> impl Iterator<Item = Owner> + '_ {
        let chunks = self.head(head::CHUNKS) as usize * CHUNK_WORDS;
        let from = self.head(head::CHUNKS_AT) as usize + chunks;
        (0..self.head(head::OWNERS) as usize).map(move |index| {
            let words = core::array::from_fn(|at| self.word(from + index * OWNER_WORDS + at));
            Owner::decode(&words)
        })
    }

    fn entry_words(&self) -> usize {
        ENTRY_WORDS + self.head(head::NODES) as usize
    }

    fn word(&self, at: usize) -> u64 {
        self.mapping
            .words()
            .get(at)
            .map_or(0, |word| word.load(Ordering::Acquire))
    }
}
