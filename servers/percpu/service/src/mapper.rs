//! What the service needs of the kernel. The server has the real one, tests have a model.

use abi::percpu::PercpuError;
use abi::syscall::MemoryKind;
use abi::{Handle, Status};

use crate::stock::Run;

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

/// A range that the kernel knows in a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapped {
    /// The first page of the window.
    pub window_page: u64,
    /// How many.
    pub pages: u64,
    /// What it was mapped with.
    pub tag: u64,
    /// Which memory object: see [`Mapper::memory_info`].
    pub memory_id: u64,
    /// The first page in it.
    pub memory_page: u64,
}

/// What a look at a window finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// The first range at or behind the page, and the window's note.
    Range(Mapped, u64),
    /// There is none. The note.
    Nothing(u64),
    /// Its process has ended.
    Ended,
}

/// What the kernel tells of a memory object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryInfo {
    /// A number that no other one has or had.
    pub id: u64,
    /// Its pages of each CPU.
    pub pages: u64,
    /// What it is.
    pub kind: MemoryKind,
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

/// How pools get memory objects and give them back.
pub trait Chunks {
    /// See [`Mapper::create`].
    fn create(&mut self, pages: u64, is_on_touch: bool) -> Result<Handle, KernelRefusal>;

    /// Gives one up, with so many pages of each unit.
    fn destroy(&mut self, memory: Handle, pages: usize, is_on_touch: bool);
}

/// The kernel calls of the server. Each happens as a whole or not at all, also when the server ends meanwhile;
/// a refused one has changed nothing.
#[expect(clippy::missing_errors_doc, reason = "every error is the kernel's refusal")]
pub trait Mapper {
    /// Maps pieces into a window, cleared. The kernel remembers the tag for their pages and the note for the window.
    fn map(&mut self, window: Handle, pieces: &[Piece], tag: u64, note: u64) -> Result<(), KernelRefusal>;

    /// Takes everything that is mapped at these pages out of a window, and sets the note. On success no CPU can
    /// reach the frames any more. `NotMapped` when nothing is mapped there.
    fn unmap(&mut self, window: Handle, page: u64, pages: u64, note: u64) -> Result<(), KernelRefusal>;

    /// Sets a window's note.
    fn set_note(&mut self, window: Handle, note: u64) -> Result<(), KernelRefusal>;

    /// Looks at a window from a page on.
    fn query(&mut self, window: Handle, page: u64) -> Result<Found, KernelRefusal>;

    /// A capability to the memory at a page of a window.
    fn memory_at(&mut self, window: Handle, page: u64) -> Result<Handle, KernelRefusal>;

    /// What a memory object is.
    fn memory_info(&mut self, memory: Handle) -> Result<MemoryInfo, KernelRefusal>;

    /// The CPUs in whose units a page of a window has a frame.
    fn populated(&mut self, window: Handle, page: u64) -> Result<[u64; 4], KernelRefusal>;

    /// New per-CPU memory with so many pages for each possible CPU; the frames are taken now, or kept for touches.
    fn create(&mut self, pages: u64, is_on_touch: bool) -> Result<Handle, KernelRefusal>;

    /// Clears pages that are in no window, so that mapping them takes no time.
    fn clean(&mut self, run: Run) -> Result<(), KernelRefusal>;

    /// Lets the server have this bit when the window's process has ended and its memory is back.
    fn on_death(&mut self, window: Handle, bit: u64) -> Result<(), KernelRefusal>;

    /// Waits until the memory of an ended process is back.
    fn wait_for_end(&mut self, window: Handle) -> Result<(), KernelRefusal>;

    /// Gives a capability up.
    fn drop(&mut self, capability: Handle);
}
