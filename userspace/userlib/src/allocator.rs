//! `Allocator`: areas of any size, from 4 bytes to 32 KiB, in per-CPU memory that grows and shrinks as needed.
//!
//! The server hands out pages; what lies in them is the program's business, and this is Linux's way to manage it:
//! `percpu-core`'s allocator, over regions. A *chunk* is a region of 64 pages that begins without frames, and gets
//! them by ranges when areas need them. Empty pages and chunks go back to the server in [`Allocator::balance`], as
//! Linux's worker does it; such a page gets frames again when an area needs it.
//!
//! In front of it there is a stack of freed areas for each CPU and each size of a [`PerCpuBox`], so that these need no
//! lock. A freed area's stack node is ordinary memory: a thread that was away may still look at it, when the area's
//! page has long gone back.
//!
//! [`PerCpuBox`]: crate::PerCpuBox

mod area;
#[expect(unsafe_code, reason = "writes every unit's copy of areas that nobody uses")]
mod checked;
mod error;
#[expect(unsafe_code, reason = "memory for records of chunks")]
mod regions;
#[expect(unsafe_code, reason = "nodes that hold offsets")]
mod sizes;
#[expect(unsafe_code, reason = "memory for what is larger than a stack")]
mod state;

use abi::syscall::CpuMask;
use percpu_core::PAGE_SIZE;

pub use area::{Area, RawArea};
pub use error::{AllocateError, FreeError};
use sizes::Sizes;
pub(crate) use sizes::size_class;
pub(crate) use state::Place;
use state::{State, need};

use crate::percpu;
use crate::sync::Mutex;

/// Bytes of a chunk in each unit.
pub const CHUNK_BYTES: usize = regions::CHUNK_PAGES * PAGE_SIZE as usize;

/// An allocator of areas. Most of the time there is one in a program, in a static [`Once`](crate::sync::Once); its
/// memory is kept as long as the program runs.
///
/// | operation | instructions at 4 CPUs / 64 CPUs |
/// |---|---|
/// | [`PerCpuBox`](crate::PerCpuBox) and drop, hit | below 236 / below 500, clearing included; none locked |
/// | `allocate` and free of an area | a lock, and what `percpu-core` needs; clearing for each CPU |
/// | a page or chunk that is missing | a round trip to the server, for all CPUs at once |
#[derive(Debug)]
pub struct Allocator {
    state: Mutex<&'static mut State>,
    sizes: Sizes,
    is_checked: bool,
}

/// What an allocator holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Areas that are taken; those on the stacks of freed ones, and the allocator's own, among them.
    pub areas: usize,
    /// Of these, on the stacks.
    pub cached: usize,
    /// Bytes of them in each unit.
    pub live_bytes: usize,
    /// Pages with frames in each unit.
    pub populated_pages: usize,
    /// Of these, pages that were offered back, and that the server has refused to take.
    pub kept_pages: usize,
    /// Regions.
    pub chunks: usize,
}

impl Allocator {
    /// An allocator with one page. Needs about 10 KiB of stack while it is made, so it is better made by a program's
    /// first thread.
    ///
    /// # Errors
    /// See [`AllocateError`].
    pub fn new() -> Result<Allocator, AllocateError> {
        Allocator::with_checks(false)
    }

    /// An allocator that looks for mistakes. Each area has a guard of 8 bytes before it, with its generation; what
    /// is free is filled with a pattern, and looked at before it is used again. Nothing is cached. For programs
    /// that misuse numbers of areas, or unsafe code; others cannot make these mistakes.
    ///
    /// Costs some instructions for each word of an area and CPU, at each allocation and free.
    ///
    /// # Errors
    /// See [`AllocateError`].
    pub fn checked() -> Result<Allocator, AllocateError> {
        Allocator::with_checks(true)
    }

    fn with_checks(is_checked: bool) -> Result<Allocator, AllocateError> {
        let state = State::new(is_checked)?;
        let heads = state.take(need(Sizes::HEAD_BYTES, 16)?)?;
        // SAFETY: the area was taken just now, and is never freed; its page is of the first chunk, which stays.
        let sizes = unsafe { Sizes::new(heads.offset) };
        Ok(Allocator {
            state: Mutex::new(state),
            sizes: sizes.ok_or(AllocateError::NoRoom)?,
            is_checked,
        })
    }

    /// An area of so many bytes in each unit, all zero. An `align` of 0 is none in particular.
    ///
    /// # Errors
    /// See [`AllocateError`]. Nothing has changed, but that some pages may have got frames.
    pub fn allocate(&self, size: usize, align: usize) -> Result<Area<'_>, AllocateError> {
        let place = self.take(size, align)?;
        Ok(Area::new(self, place, size))
    }

    /// Takes an area, and clears it.
    pub(crate) fn take(&self, size: usize, align: usize) -> Result<Place, AllocateError> {
        let mut state = self.state.lock();
        if self.is_checked {
            return state.take_checked(size, align);
        }
        let area = state.take(need(size, align)?)?;
        drop(state);
        checked::clear(area.offset, size.next_multiple_of(4));
        Ok(area)
    }

    /// An area of a size class, from this CPU's stack or as any other. It may hold anything.
    #[inline(always)]
    pub(crate) fn take_class(&self, class: usize) -> Result<Place, AllocateError> {
        match self.sizes.pop(class) {
            Some(offset) => Ok(Place {
                offset,
                generation: 0,
            }),
            None => self.take_missing(class),
        }
    }

    #[cold]
    #[inline(never)]
    fn take_missing(&self, class: usize) -> Result<Place, AllocateError> {
        let size = sizes::bytes(class);
        self.take(size, size)
    }

    /// Takes an area of a size class back.
    #[inline(always)]
    pub(crate) fn give_class(&self, place: Place, class: usize) -> Result<(), FreeError> {
        if !self.is_checked && self.sizes.push(class, place.offset) {
            return Ok(());
        }
        self.give(place)
    }

    /// Takes an area back.
    #[cold]
    #[inline(never)]
    pub(crate) fn give(&self, place: Place) -> Result<(), FreeError> {
        let mut state = self.state.lock();
        match self.is_checked {
            true => state.give_checked(place)?,
            false => state.give(place.offset).map(drop)?,
        }
        if state.core.is_balancing_wanted() {
            state.core.balance();
        }
        Ok(())
    }

    /// Frees an area by its number, whoever has it.
    ///
    /// # Errors
    /// See [`FreeError`]. Nothing has changed.
    pub fn free_raw(&self, raw: RawArea) -> Result<(), FreeError> {
        self.give(raw.place())
    }

    /// Gives chunks without areas but one back to the server, and of others empty pages, as long as some are left
    /// ready: a request for each run of pages. Done by itself when an area is freed and it seems worth while.
    pub fn balance(&self) {
        self.state.lock().core.balance();
    }

    /// Frees what lies on the stacks of freed areas, by visiting every CPU that is online, then balances. The calling
    /// thread is bound to `home` afterwards. What lies on the stack of a CPU that is off stays there until it is back and
    /// uses it, or this is called again.
    ///
    /// # Errors
    /// See [`FreeError`], and the kernel's refusal to move the thread.
    pub fn trim(&self, home: &CpuMask) -> Result<(), FreeError> {
        let mut outcome = Ok(());
        crate::visit::every_cpu(home, |_| {
            while let Some(offset) = self.sizes.pop_any() {
                let freed = self.state.lock().give(offset);
                outcome = outcome.and(freed.map(drop));
            }
        })?;
        self.balance();
        outcome
    }

    /// What it holds now.
    pub fn usage(&self) -> Usage {
        let state = self.state.lock();
        let chunks = || state.core.chunks().map(|listed| listed.chunk);
        let taken = |chunk: &percpu_core::Chunk<'_>| chunk.pages() * PAGE_SIZE as usize - chunk.free_bytes();
        let kept_pages = state.core.backing().kept_pages();
        Usage {
            areas: chunks().map(|chunk| chunk.areas()).sum(),
            cached: self.sizes.count(),
            live_bytes: chunks().map(taken).sum(),
            populated_pages: state.core.populated_pages() + kept_pages,
            kept_pages,
            chunks: chunks().count(),
        }
    }
}

impl From<percpu::Error> for AllocateError {
    fn from(error: percpu::Error) -> AllocateError {
        AllocateError::Server(error)
    }
}
