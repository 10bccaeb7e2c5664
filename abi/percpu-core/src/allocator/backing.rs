//! `Backing`: what the allocator needs from the system: places for chunks, and frames for their pages.

use crate::{ChunkStorage, PageRange};

/// Names a chunk. Names of later chunks are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChunkId {
    pub(super) index: u16,
    pub(super) number: u32,
}

/// A backing has no frames, or no room for tables, for a range of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoFrames;

/// What the allocator needs from the system. Calls are whole ranges of pages, each for all CPUs at once.
pub trait Backing<'m> {
    /// Makes a place for a chunk at congruent addresses, and lends storage for its records. `None` if
    /// there is no place or no storage (C1).
    fn create(&mut self, chunk: ChunkId) -> Option<ChunkStorage<'m>>;

    /// Gives a place and storage back. None of the chunk's pages is populated.
    fn destroy(&mut self, chunk: ChunkId, storage: ChunkStorage<'m>);

    /// Fills these pages of every unit, each from its CPU's node (C2).
    ///
    /// # Errors
    ///
    /// [`NoFrames`], and then none of them is populated.
    fn populate(&mut self, chunk: ChunkId, pages: PageRange) -> Result<(), NoFrames>;

    /// Takes the frames of these pages out of every unit (C3). Stale translations may stay until
    /// [`flush`](Self::flush), or until the chunk is destroyed.
    fn depopulate(&mut self, chunk: ChunkId, pages: PageRange);

    /// No CPU translates addresses of depopulated pages of this chunk any more.
    fn flush(&mut self, chunk: ChunkId);
}

impl ChunkId {
    /// The dynamic part of the first chunk.
    pub const FIRST: Self = Self { index: 0, number: 0 };

    /// The reserved part of the first chunk.
    pub const RESERVED: Self = Self {
        index: u16::MAX,
        number: u32::MAX,
    };

    /// No other chunk has this index.
    #[inline]
    pub(super) const fn is_reserved(self) -> bool {
        self.index == Self::RESERVED.index
    }

    /// 0 for the first chunk, then 1, 2, 3 in the order in which chunks were made; the highest number for
    /// the reserved part.
    pub const fn number(self) -> u32 {
        self.number
    }
}
