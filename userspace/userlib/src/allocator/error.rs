//! Why an allocator refuses, by name.

use core::fmt;

use percpu_core::{NeedError, ReleaseError};

use crate::{Refusal, percpu};

/// Why there is no area. Nothing has changed, but that some pages may have got frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AllocateError {
    /// Size or alignment are not possible.
    Need(NeedError),
    /// The percpu server has refused a region or frames; most often the quota.
    Server(percpu::Error),
    /// The kernel has refused memory for the allocator's records.
    Kernel(Refusal),
    /// The allocator has as many chunks as it can have, and none has room.
    NoRoom,
    /// Of a checked allocator: somebody has written to memory that was free. It is not used again.
    WrittenWhileFree {
        /// The CPU whose copy is not what it was.
        cpu: usize,
        /// Where, in every unit of the window.
        offset: usize,
    },
}

/// Why an area is not freed. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FreeError {
    /// No area of this allocator starts there.
    NoArea,
    /// As above, in the words of the chunk that the number lies in.
    InChunk(ReleaseError),
    /// Of a checked allocator: the area was freed before, and perhaps another has its place.
    Stale,
    /// Of a checked allocator: the guard before the area was overwritten.
    Damaged {
        /// The CPU whose copy is damaged.
        cpu: usize,
    },
    /// The kernel refused to move the thread.
    Kernel(Refusal),
}

impl fmt::Display for AllocateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AllocateError::Need(error) => error.fmt(f),
            AllocateError::Server(error) => error.fmt(f),
            AllocateError::Kernel(refusal) => write!(f, "no memory for the allocator's records: {refusal}"),
            AllocateError::NoRoom => write!(f, "the allocator has no room for another chunk"),
            AllocateError::WrittenWhileFree { cpu, offset } => {
                write!(f, "free memory at offset {offset:#x} was written on CPU {cpu}")
            }
        }
    }
}

impl fmt::Display for FreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FreeError::NoArea => write!(f, "no area starts there"),
            FreeError::InChunk(error) => error.fmt(f),
            FreeError::Stale => write!(f, "the area was freed before"),
            FreeError::Damaged { cpu } => write!(f, "the guard before the area was overwritten on CPU {cpu}"),
            FreeError::Kernel(refusal) => write!(f, "the kernel refused: {refusal}"),
        }
    }
}

impl core::error::Error for AllocateError {}
impl core::error::Error for FreeError {}

impl From<NeedError> for AllocateError {
    fn from(error: NeedError) -> AllocateError {
        AllocateError::Need(error)
    }
}

impl From<Refusal> for AllocateError {
    fn from(refusal: Refusal) -> AllocateError {
        AllocateError::Kernel(refusal)
    }
}

impl From<ReleaseError> for FreeError {
    fn from(error: ReleaseError) -> FreeError {
        FreeError::InChunk(error)
    }
}

impl From<Refusal> for FreeError {
    fn from(refusal: Refusal) -> FreeError {
        FreeError::Kernel(refusal)
    }
}
