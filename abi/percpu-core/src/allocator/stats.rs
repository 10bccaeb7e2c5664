//! `AllocatorStats`: the global counts of Linux's `percpu_stats` (O3). `MemoryUse`: what it all takes (O1).

use super::{Allocator, Backing};
use crate::{Chunk, PAGE_SIZE};

/// Counts since the beginning (O3). Sizes are those after rounding up to 4 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocatorStats {
    /// Areas that were taken, also those whose pages could not be populated (A9).
    pub allocated: u64,
    /// Areas that were given back, also for want of pages.
    pub freed: u64,
    /// Areas that are taken now.
    pub current: u64,
    /// The most that there were at a time.
    pub most: u64,
    /// Chunks now; the reserved part is none.
    pub chunks: u64,
    /// The most that there were at a time.
    pub most_chunks: u64,
    /// Chunks that were ever made, the first chunk included.
    pub chunks_made: u64,
    /// Bytes of the smallest area ever; a unit's before there is any.
    pub smallest_area: usize,
    /// Bytes of the largest area ever.
    pub largest_area: usize,
}

impl AllocatorStats {
    pub(super) const fn new(unit_size: usize) -> Self {
        Self {
            allocated: 0,
            freed: 0,
            current: 0,
            most: 0,
            chunks: 0,
            most_chunks: 0,
            chunks_made: 0,
            smallest_area: unit_size,
            largest_area: 0,
        }
    }

    #[inline]
    pub(super) fn count_area(&mut self, size: usize) {
        self.allocated += 1;
        self.current += 1;
        self.most = self.most.max(self.current);
        self.smallest_area = self.smallest_area.min(size);
        self.largest_area = self.largest_area.max(size);
    }

    pub(super) fn count_free(&mut self) {
        self.freed += 1;
        self.current -= 1;
    }

    pub(super) fn count_chunk(&mut self) {
        self.chunks += 1;
        self.chunks_made += 1;
        self.most_chunks = self.most_chunks.max(self.chunks);
    }
}

/// What an allocator takes of the machine, in bytes (O1). Linux's `Percpu:` is the first two in one, and leaves the
/// third out (Z12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryUse {
    /// Populated pages, the static and the reserved part included, of units that a CPU has.
    pub on_cpus: usize,
    /// The same of filler units: nothing, where whoever populates leaves them out.
    pub on_fillers: usize,
    /// The allocator itself, and the records of all chunks.
    pub records: usize,
}

impl<'m, B: Backing<'m>, const CHUNKS: usize> Allocator<'m, B, CHUNKS> {
    /// What it takes where so many CPUs have units, and so many filler units are populated with them.
    pub fn memory_use(&self, cpus: usize, fillers: usize) -> MemoryUse {
        let unit = self.populated_pages.saturating_mul(PAGE_SIZE as usize);
        let listed = self.chunks().map(|listed| listed.chunk);
        let records = listed.chain(&self.reserved).map(Chunk::record_bytes);
        MemoryUse {
            on_cpus: unit.saturating_mul(cpus),
            on_fillers: unit.saturating_mul(fillers),
            records: records.sum::<usize>() + size_of::<Self>(),
        }
    }
}
