//! A machine for the steady pairs: frames without end, and the memory of every unit, so that it can be
//! cleared.

use percpu_core::{
    Allocator, AllocatorSetup, AreaOf, Backing, Chunk, ChunkId, ChunkStorage, FirstParts, FreeRule, Hints,
    NoFrames, PageRange, Sizes, UnitPart,
};

use crate::Failure;

/// Bytes of a word of memory.
const WORD: usize = 4;

pub type Whole = Allocator<'static, Machine, 64>;

/// Storage for the chunks, and nothing else: its frames are [`Memory`].
pub struct Machine {
    unit_pages: usize,
}

/// Storage that lives until the end.
pub fn storage(pages: usize) -> Option<ChunkStorage<'static>> {
    let words = vec![0; ChunkStorage::words(pages)].leak();
    let blocks = vec![Hints::default(); pages].leak();
    ChunkStorage::split(words, blocks, pages).ok()
}

impl Backing<'static> for Machine {
    fn create(&mut self, _: ChunkId) -> Option<ChunkStorage<'static>> {
        storage(self.unit_pages)
    }

    fn destroy(&mut self, _: ChunkId, _: ChunkStorage<'static>) {}

    fn populate(&mut self, _: ChunkId, _: PageRange) -> Result<(), NoFrames> {
        Ok(())
    }

    fn depopulate(&mut self, _: ChunkId, _: PageRange) {}

    fn flush(&mut self, _: ChunkId) {}
}

/// An allocator as Linux's usual sizes give it, with units of this many bytes.
pub fn boot(unit_size: usize) -> Result<Whole, Failure> {
    let sizes = Sizes {
        static_size: 180_224,
        reserved_size: 8_192,
        dyn_size: 28_672,
        atom_size: 2 << 20,
    };
    let parts = FirstParts::of(&sizes).ok_or("sizes without a sum")?;
    let chunk = |part: UnitPart| -> Result<_, Failure> {
        Ok(Chunk::first(storage(part.pages()).ok_or("no storage")?, part)?)
    };
    let setup = AllocatorSetup {
        unit_size,
        first_pages: 53,
        reserved: parts.reserved.map(chunk).transpose()?,
        dynamic: chunk(parts.dynamic)?,
        rule: FreeRule::Corrected,
    };
    let unit_pages = unit_size / 4096;
    Ok(Allocator::new(setup, Machine { unit_pages })?)
}

/// The memory of all units, chunk by chunk.
pub struct Memory {
    unit_words: usize,
    chunks: Vec<Vec<u32>>,
}

impl Memory {
    pub fn new(unit_size: usize, cpus: usize, chunks: usize) -> Self {
        let unit_words = unit_size / WORD;
        Self {
            unit_words,
            chunks: vec![vec![!0; unit_words * cpus]; chunks],
        }
    }

    /// Clears an area in every unit (A11).
    pub fn clear(&mut self, taken: AreaOf) {
        let units = self.chunks[taken.chunk.number() as usize].chunks_exact_mut(self.unit_words);
        let (start, words) = (taken.area.offset / WORD, taken.area.size / WORD);
        match words {
            2 => units.for_each(|unit| clear_words::<2>(&mut unit[start..])),
            16 => units.for_each(|unit| clear_words::<16>(&mut unit[start..])),
            _ => units.for_each(|unit| unit[start..start + words].fill(0)),
        }
    }
}

/// So many words at the start, without a call.
fn clear_words<const N: usize>(words: &mut [u32]) {
    if let Some(first) = words.first_chunk_mut::<N>() {
        *first = [0; N];
    }
}
