//! Why a chunk refuses, by name.

use core::fmt;

/// Why there is no chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkError {
    /// A chunk of no pages.
    NoPages,
    /// More pages than [`MAX_CHUNK_PAGES`](super::MAX_CHUNK_PAGES).
    TooManyPages {
        /// Pages that were asked for.
        pages: usize,
    },
    /// The lent storage is too small for so many pages.
    StorageTooSmall {
        /// Words that are needed.
        words: usize,
        /// Hints that are needed.
        hints: usize,
    },
    /// An edge of a part of the first chunk is no multiple of 4.
    PartUnaligned {
        /// Where it starts, in bytes.
        offset: usize,
        /// Its bytes.
        size: usize,
    },
}

/// Why no area was found in a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoFit {
    /// The hints know of no place.
    ByHints,
    /// The hints named a place, but neither there nor closely behind it is a fit.
    BySearch,
    /// There is none: the whole chunk was searched ([`Chunk::allocate_exactly`](super::Chunk::allocate_exactly)).
    Proven,
}

/// Why an offset is not freed. Offsets in bytes, as they were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreeError {
    /// No multiple of 4.
    Unaligned {
        /// The offset.
        offset: usize,
    },
    /// Behind the chunk.
    OutOfRange {
        /// The offset.
        offset: usize,
    },
    /// In a part of the unit that is not this chunk's (E6).
    Hidden {
        /// The offset.
        offset: usize,
    },
    /// Free already: a double free, or never allocated.
    NotTaken {
        /// The offset.
        offset: usize,
    },
    /// Inside an area, not at its start.
    Interior {
        /// The offset.
        offset: usize,
    },
}

/// Why pages cannot change between populated and not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PopulateError {
    /// The range ends behind the chunk.
    OutOfRange {
        /// Pages that there are.
        pages: usize,
    },
    /// Populated already.
    Populated {
        /// The first such page.
        page: usize,
    },
    /// Not populated.
    NotPopulated {
        /// The first such page.
        page: usize,
    },
    /// There is an area in it.
    InUse {
        /// The first such page.
        page: usize,
    },
}

/// What a check of a chunk's records found: a defect of this crate. Blocks and pages are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Fewer or more bits are free than is written.
    FreeBytes,
    /// An edge of an area has no boundary bit, or there are more or fewer areas than is written.
    Areas,
    /// A hidden edge is not taken.
    Hidden,
    /// Fewer or more pages are populated than is written.
    PopulatedPages,
    /// The number of empty pages is not that of the populated ones less those in use.
    EmptyPages,
    /// The chunk's hints promise what is not free.
    ChunkHints,
    /// A block's hints promise what is not free, or a free block is not known as such.
    BlockHints {
        /// Which block.
        block: usize,
    },
}

impl fmt::Display for ChunkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPages => write!(f, "a chunk of no pages"),
            Self::TooManyPages { pages } => write!(f, "{pages} pages are too many for a chunk"),
            Self::StorageTooSmall { words, hints } => write!(f, "{words} words and {hints} hints are needed"),
            Self::PartUnaligned { offset, size } => write!(f, "{size} bytes at {offset}: no multiples of 4"),
        }
    }
}

impl fmt::Display for NoFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByHints => write!(f, "no place is known"),
            Self::BySearch => write!(f, "no fit near the place that is known"),
            Self::Proven => write!(f, "no fit"),
        }
    }
}

impl fmt::Display for FreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unaligned { offset } => write!(f, "offset {offset} is no multiple of 4"),
            Self::OutOfRange { offset } => write!(f, "offset {offset} is behind the chunk"),
            Self::Hidden { offset } => write!(f, "offset {offset} belongs to another part of the unit"),
            Self::NotTaken { offset } => write!(f, "offset {offset} is free already"),
            Self::Interior { offset } => write!(f, "offset {offset} is inside an area"),
        }
    }
}

impl fmt::Display for PopulateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { pages } => write!(f, "outside the {pages} pages"),
            Self::Populated { page } => write!(f, "page {page} is populated already"),
            Self::NotPopulated { page } => write!(f, "page {page} is not populated"),
            Self::InUse { page } => write!(f, "page {page} holds an area"),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BlockHints { block } => write!(f, "damaged: hints of block {block}"),
            other => write!(f, "damaged: {other:?}"),
        }
    }
}

impl core::error::Error for ChunkError {}
impl core::error::Error for NoFit {}
impl core::error::Error for FreeError {}
impl core::error::Error for PopulateError {}
impl core::error::Error for Damage {}
