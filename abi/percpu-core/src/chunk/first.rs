//! The parts of the first chunk that areas are taken from: reserved and dynamic (E6).
//!
//! A part need not begin or end at a page, and maps are in pages. So a part is widened to whole pages,
//! and what is not its own is marked as taken for ever: *hidden*.

use super::{Chunk, ChunkError, ChunkStorage, MAX_CHUNK_PAGES, MIN_AREA_SIZE, bits::Run};
use crate::{PAGE_SIZE, PageRange, Sizes};

const PAGE: usize = PAGE_SIZE as usize;

/// A part of the unit of the first chunk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitPart {
    /// From the start of the unit.
    pub offset: usize,
    /// How long it is.
    pub size: usize,
}

/// Where the reserved and the dynamic part are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstParts {
    /// Behind the static part; none if its size is 0 (R2).
    pub reserved: Option<UnitPart>,
    /// Behind the reserved part.
    pub dynamic: UnitPart,
}

impl FirstParts {
    /// The parts for these sizes, of which `dyn_size` is the final one. The static part is rounded up to
    /// 4 bytes at the cost of the dynamic part. `None` if the sizes have no sum.
    pub fn of(sizes: &Sizes) -> Option<Self> {
        let part = |size: u64| usize::try_from(size).ok();
        let unrounded = part(sizes.static_size)?;
        let static_size = unrounded.checked_next_multiple_of(MIN_AREA_SIZE)?;
        let reserved_size = part(sizes.reserved_size)?;
        let dynamic = UnitPart {
            offset: static_size.checked_add(reserved_size)?,
            size: part(sizes.dyn_size)?.checked_sub(static_size - unrounded)?,
        };
        let reserved = UnitPart {
            offset: static_size,
            size: reserved_size,
        };
        Some(Self {
            reserved: (reserved_size != 0).then_some(reserved),
            dynamic,
        })
    }
}

impl UnitPart {
    /// Bytes in its first page that belong to what is before it.
    pub const fn head_bytes(self) -> usize {
        self.offset % PAGE
    }

    /// The offset of its first page: what offsets of areas count from.
    pub const fn page_offset(self) -> usize {
        self.offset - self.head_bytes()
    }

    /// How many pages it touches; the most there is if that is no number.
    pub const fn pages(self) -> usize {
        self.head_bytes().saturating_add(self.size).div_ceil(PAGE)
    }
}

impl<'m> Chunk<'m> {
    /// A part of the first chunk: all pages populated, head and tail hidden.
    ///
    /// # Errors
    ///
    /// [`ChunkError::PartUnaligned`] if an edge is no multiple of 4; [`ChunkError::NoPages`] if the part
    /// is empty; [`ChunkError::TooManyPages`], [`ChunkError::StorageTooSmall`].
    pub fn first(storage: ChunkStorage<'m>, part: UnitPart) -> Result<Self, ChunkError> {
        let UnitPart { offset, size } = part;
        if !offset.is_multiple_of(MIN_AREA_SIZE) || !size.is_multiple_of(MIN_AREA_SIZE) {
            return Err(ChunkError::PartUnaligned { offset, size });
        }
        if size == 0 {
            return Err(ChunkError::NoPages);
        }
        let pages = part.pages();
        if pages > MAX_CHUNK_PAGES {
            return Err(ChunkError::TooManyPages { pages });
        }
        let mut chunk = Self::new(storage, pages)?;
        chunk.fill(PageRange {
            first: 0,
            count: pages,
        });
        chunk.head_bits = (part.head_bytes() / MIN_AREA_SIZE) as u32;
        chunk.tail_bits = chunk.bits() - chunk.head_bits - (size / MIN_AREA_SIZE) as u32;
        chunk.hide();
        Ok(chunk)
    }

    fn hide(&mut self) {
        let (head, tail) = (self.head_bits, self.bits() - self.tail_bits);
        if head != 0 {
            self.mark_taken(Run::new(0, head));
        }
        if self.tail_bits != 0 {
            self.mark_taken(Run::new(tail, self.bits()));
        }
    }
}
