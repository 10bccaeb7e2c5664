//! `Area`: bytes of per-CPU memory that somebody has taken.

use core::mem::ManuallyDrop;

use super::{Allocator, FreeError, Place};
use crate::cell::{Offset, PerCpuCell, PerCpuPair, Place as CellPlace, Value};

/// The same bytes in every unit, from an allocator. Freed when it is dropped.
#[derive(Debug)]
pub struct Area<'r> {
    allocator: &'r Allocator,
    place: Place,
    size: usize,
}

/// An area as numbers, for programs that send it somewhere as such. Nobody frees it by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawArea {
    /// Where it begins, in every unit of the window.
    pub offset: usize,
    /// Which area it is of those that have begun there, if the allocator is a checked one; else 0.
    pub generation: u32,
}

impl RawArea {
    pub(super) fn place(self) -> Place {
        let RawArea { offset, generation } = self;
        Place { offset, generation }
    }
}

impl<'r> Area<'r> {
    pub(super) fn new(allocator: &'r Allocator, place: Place, size: usize) -> Self {
        Area {
            allocator,
            place,
            size,
        }
    }

    /// A cell at a byte offset within the area. `None` outside of it, or when it is not aligned.
    #[must_use]
    pub fn cell<'a, T: Value>(&'a self, at: usize) -> Option<PerCpuCell<T, Offset<'a>>>
    where
        Offset<'a>: CellPlace<T::Word>,
    {
        let offset = self.inside(at, size_of::<T>())?;
        PerCpuCell::in_region(offset)
    }

    /// A pair of words at a byte offset within the area. `None` outside of it, or when it is not aligned to 16.
    #[must_use]
    pub fn pair(&self, at: usize) -> Option<PerCpuPair<Offset<'_>>> {
        PerCpuPair::in_region(self.inside(at, 16)?)
    }

    /// The pair at its start, for somebody who keeps the area as long as the pair.
    pub(crate) fn pair_of_allocator(&self) -> Option<PerCpuPair<Offset<'r>>> {
        PerCpuPair::in_region(self.inside(0, 16)?)
    }

    fn inside(&self, at: usize, bytes: usize) -> Option<usize> {
        let end = at.checked_add(bytes)?;
        (end <= self.size).then_some(self.place.offset + at)
    }

    /// Where it begins in every unit of the window.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.place.offset
    }

    /// Its bytes in each unit.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Frees it. To drop it does the same, but panics instead of giving an error back.
    ///
    /// # Errors
    /// [`FreeError::Damaged`] and, if somebody else has freed it by its number, [`FreeError::Stale`].
    pub fn free(self) -> Result<(), FreeError> {
        let area = ManuallyDrop::new(self);
        area.allocator.give(area.place)
    }

    /// Its numbers. It stays taken until somebody calls [`Allocator::free_raw`] with them.
    #[must_use]
    pub fn into_raw(self) -> RawArea {
        let Place { offset, generation } = ManuallyDrop::new(self).place;
        RawArea { offset, generation }
    }
}

impl Drop for Area<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.allocator.give(self.place) {
            panic!("an area of {} bytes is not freed: {error}", self.size);
        }
    }
}
