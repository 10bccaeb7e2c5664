//! Why the allocator refuses, by name.

use core::fmt;

use crate::FreeError;

/// Why there is no area. Nothing is taken; pages may have become populated (A9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllocateError {
    /// The reserved part has no fit. The dynamic part is not tried (R2).
    ReservedFull,
    /// No populated place is known, and the caller cannot wait for frames (A8).
    NoPopulatedSpace,
    /// No place is known, and no chunk can be made: the backing has none, or there are as many chunks as
    /// there is room for.
    NoChunk,
    /// There is a place, but no frames for it (A9).
    NoFrames,
}

/// Why an area is not freed. Nothing is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseError {
    /// There is no such chunk, or no more.
    NoSuchChunk,
    /// The chunk refuses.
    InChunk(FreeError),
}

/// Why there is no allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupError {
    /// Room for no chunk at all, or for more than 65,534.
    BadRoom {
        /// Chunks that there is room for.
        chunks: usize,
    },
    /// The unit is no whole number of pages, or less than [`MIN_UNIT_SIZE`](crate::MIN_UNIT_SIZE), or
    /// more than [`MAX_CHUNK_PAGES`](crate::MAX_CHUNK_PAGES), or the dynamic part is longer (E3).
    BadUnit {
        /// Bytes of a unit.
        unit_size: usize,
    },
}

impl fmt::Display for AllocateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReservedFull => "no fit in the reserved part",
            Self::NoPopulatedSpace => "no populated space, and no waiting for more",
            Self::NoChunk => "no space, and no further chunk",
            Self::NoFrames => "no frames",
        })
    }
}

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchChunk => write!(f, "no such chunk"),
            Self::InChunk(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRoom { chunks } => write!(f, "room for {chunks} chunks"),
            Self::BadUnit { unit_size } => write!(f, "a unit of {unit_size} bytes"),
        }
    }
}

impl core::error::Error for AllocateError {}
impl core::error::Error for ReleaseError {}
impl core::error::Error for SetupError {}
