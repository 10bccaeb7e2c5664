//! `ChunkStorage`: the memory that a chunk's records live in, lent by the caller.

use super::{BLOCK_BITS, ChunkError, Hints};

/// The most pages that a chunk can have: 4 GiB in each unit.
pub const MAX_CHUNK_PAGES: usize = 1 << 20;

const WORDS_OF_A_BLOCK: usize = (BLOCK_BITS / u64::BITS) as usize;

/// The memory that a chunk's records live in. [`Chunk::into_storage`](super::Chunk::into_storage) gives
/// it back for the next chunk.
#[derive(Debug)]
pub struct ChunkStorage<'m> {
    pub(super) areas: &'m mut [u64],
    /// One bit more than `areas`: the end of the last area.
    pub(super) bounds: &'m mut [u64],
    pub(super) populated: &'m mut [u64],
    pub(super) blocks: &'m mut [Hints],
}

impl<'m> ChunkStorage<'m> {
    /// Words that a chunk of this many pages needs beside one [`Hints`] for each page.
    pub const fn words(pages: usize) -> usize {
        2 * pages * WORDS_OF_A_BLOCK + 1 + pages.div_ceil(u64::BITS as usize)
    }

    /// Divides lent words among the maps of a chunk of this many pages.
    ///
    /// # Errors
    ///
    /// [`ChunkError::NoPages`] for 0, [`ChunkError::TooManyPages`] above [`MAX_CHUNK_PAGES`],
    /// [`ChunkError::StorageTooSmall`] if there are fewer than [`words`](Self::words) words or fewer than
    /// `pages` hints.
    pub fn split(words: &'m mut [u64], blocks: &'m mut [Hints], pages: usize) -> Result<Self, ChunkError> {
        check_pages(pages)?;
        let needed = Self::words(pages);
        if words.len() < needed || blocks.len() < pages {
            return Err(ChunkError::StorageTooSmall {
                words: needed,
                hints: pages,
            });
        }
        let (areas, rest) = words.split_at_mut(pages * WORDS_OF_A_BLOCK);
        let (bounds, populated) = rest.split_at_mut(pages * WORDS_OF_A_BLOCK + 1);
        Ok(Self {
            areas,
            bounds,
            populated,
            blocks,
        })
    }

    /// Bytes of what was lent.
    pub(super) const fn bytes(&self) -> usize {
        size_of_val(&*self.areas)
            + size_of_val(&*self.bounds)
            + size_of_val(&*self.populated)
            + size_of_val(&*self.blocks)
    }

    /// The records of a chunk of this many pages in which everything is free and nothing is populated.
    pub(super) fn cleared(self, pages: usize) -> Result<Self, ChunkError> {
        check_pages(pages)?;
        if self.areas.len() < pages * WORDS_OF_A_BLOCK || self.blocks.len() < pages {
            return Err(ChunkError::StorageTooSmall {
                words: Self::words(pages),
                hints: pages,
            });
        }
        self.areas.fill(0);
        self.bounds.fill(0);
        self.populated.fill(0);
        self.blocks.fill(Hints::all_free(BLOCK_BITS));
        Ok(self)
    }
}

/// The words of one block in a map of areas.
pub(super) fn block_words(areas: &[u64], block: u32) -> &[u64] {
    let start = block as usize * WORDS_OF_A_BLOCK;
    &areas[start..start + WORDS_OF_A_BLOCK]
}

const fn check_pages(pages: usize) -> Result<(), ChunkError> {
    match pages {
        0 => Err(ChunkError::NoPages),
        1..=MAX_CHUNK_PAGES => Ok(()),
        _ => Err(ChunkError::TooManyPages { pages }),
    }
}
