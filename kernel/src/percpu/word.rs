//! Words of per-CPU memory that come and go with kernel objects: from the pages that the kernel keeps of the
//! first chunk's dynamic part, divided by `percpu-core`.

use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;

use percpu_core::{AreaNeed, AreaRequest, Chunk, ChunkStorage, Hints, Reach, UnitPart};

use super::DELTA;
use crate::boot::{firmware, first_chunk};
use crate::memory::heap;
use crate::sync::{Lock, Once, rank};

const WORD: usize = size_of::<u64>();
const NEED: AreaRequest = AreaRequest {
    size: WORD,
    align: WORD,
};

/// A word of which each possible CPU has its own. Given back when it is dropped.
#[derive(Debug)]
pub struct PerCpuWord {
    offset: usize,
    address: u64,
}

/// All words of the kernel's part are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WordsExhausted {
    /// How many there are.
    pub limit: u64,
}

struct Part {
    chunk: Lock<Chunk<'static>, { rank::WORDS }>,
    /// Where its first byte would lie in the template: plus a CPU's delta it is that CPU's.
    address: u64,
    words: u64,
}

fn part() -> &'static Part {
    static PART: Once<Part> = Once::new();
    PART.call_once(|| {
        let _payer = heap::charge_nobody();
        let kernel = first_chunk::kernel_dynamic_part();
        let pages = kernel.pages as usize;
        let words: &mut [u64] = Vec::leak(vec![0; ChunkStorage::words(pages)]);
        let hints: &mut [Hints] = Vec::leak(vec![Hints::default(); pages]);
        let size = pages * percpu_core::PAGE_SIZE as usize;
        let made = ChunkStorage::split(words, hints, pages)
            .and_then(|storage| Chunk::first(storage, UnitPart { offset: 0, size }));
        Part {
            chunk: Lock::new(made.expect("the kernel's part is whole pages, and the storage is made for it")),
            address: first_chunk::template_address(kernel.first_page),
            words: (size / WORD) as u64,
        }
    })
}

/// How many words there are.
pub fn limit() -> u64 {
    part().words
}

impl PerCpuWord {
    /// A word that is 0 on every CPU.
    pub fn allocate() -> Result<PerCpuWord, WordsExhausted> {
        let part = part();
        let need = AreaNeed::checked(NEED).expect("a word is a lawful area");
        let area = part.chunk.lock().allocate(need, Reach::PopulatedPages);
        let limit = part.words;
        let offset = area.map_err(|_| WordsExhausted { limit })?.offset;
        let word = PerCpuWord {
            offset,
            address: part.address.wrapping_add(offset as u64),
        };
        for cpu in firmware::topology().cpus() {
            // SAFETY: the word was just taken, so no CPU uses it yet; it lies in every possible CPU's unit.
            unsafe { word.at(first_chunk::delta_of(cpu)).write(0) };
        }
        Ok(word)
    }

    /// Its address in the template: relative to GS it is this CPU's word.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// This CPU's word.
    pub fn local(&self) -> &Cell<u64> {
        // SAFETY: it lies in this CPU's unit as long as `self` is not dropped, and only this CPU uses it.
        unsafe { &*self.at(*DELTA.local()).cast::<Cell<u64>>() }
    }

    fn at(&self, delta: u64) -> *mut u64 {
        self.address.wrapping_add(delta) as *mut u64
    }
}

impl Drop for PerCpuWord {
    fn drop(&mut self) {
        let freed = part().chunk.lock().free(self.offset);
        assert!(freed.is_ok(), "a word that was taken can be freed, once");
    }
}
