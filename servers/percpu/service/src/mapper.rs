//! What the service needs of the kernel. The server has the real one, tests have a model.

use abi::percpu::PercpuError;
use abi::{Handle, Status};

/// Pages of per-CPU memory at pages of a window, in all units alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// The memory object that the frames belong to.
    pub memory: Handle,
    /// The first page in it.
    pub memory_page: u64,
    /// The first page of the window.
    pub window_page: u64,
    /// How many.
    pub pages: u64,
}

/// Why the kernel refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KernelRefusal {
    /// The cause.
    pub status: Status,
    /// The first of its numbers.
    pub number: u64,
}

impl From<KernelRefusal> for PercpuError {
    fn from(refusal: KernelRefusal) -> PercpuError {
        match refusal.status {
            Status::NodeExhausted => PercpuError::NodeExhausted(refusal.number),
            status => PercpuError::Kernel(status as u64),
        }
    }
}

/// The kernel calls of the server.
pub trait Mapper {
    /// Maps a piece into a window, cleared; the kernel remembers the tag for its pages.
    ///
    /// # Errors
    /// The kernel's refusal; nothing is mapped then.
    fn map(&mut self, window: Handle, piece: &Piece, tag: u64) -> Result<(), KernelRefusal>;

    /// Takes a piece out of a window. On success no CPU can reach its frames any more.
    ///
    /// # Errors
    /// The kernel's refusal; everything is as before then.
    fn unmap(&mut self, window: Handle, piece: &Piece) -> Result<(), KernelRefusal>;

    /// New per-CPU memory with so many pages for each possible CPU.
    ///
    /// # Errors
    /// The kernel's refusal.
    fn create(&mut self, pages: u64) -> Result<Handle, KernelRefusal>;

    /// Gives a capability up.
    fn drop(&mut self, capability: Handle);
}
