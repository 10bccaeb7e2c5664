//! Allocating for an owner, and freeing what is really his: exact frees, on handles.

use core::fmt;

use super::{
    AllocateError, Allocator, Backing, Handle, HandleError, HandleTable, OwnerId, ReleaseError, Request,
};
use crate::Area;

/// Why an owner gets no area. Nothing is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnedAllocateError {
    /// The table has no room for another handle.
    HandlesExhausted {
        /// How many there can be.
        limit: usize,
    },
    /// The allocator refuses.
    InAllocator(AllocateError),
}

/// Why an owner's area is not freed. Nothing is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnedReleaseError {
    /// The handle is not good.
    BadHandle(HandleError),
    /// The allocator does not know the area: table and allocator do not belong together, or somebody
    /// freed it by its offset.
    InAllocator(ReleaseError),
}

impl<'m, B: Backing<'m>, const CHUNKS: usize> Allocator<'m, B, CHUNKS> {
    /// Takes an area, as [`allocate`](Self::allocate) does, and gives it a handle.
    ///
    /// # Errors
    ///
    /// [`OwnedAllocateError::HandlesExhausted`], or the allocator's own refusal.
    pub fn allocate_owned(
        &mut self,
        table: &mut HandleTable<'_>,
        owner: OwnerId,
        request: Request,
    ) -> Result<Handle, OwnedAllocateError> {
        let limit = table.limit();
        let exhausted = OwnedAllocateError::HandlesExhausted { limit };
        if !table.has_room() {
            return Err(exhausted);
        }
        let area = self.allocate(request).map_err(OwnedAllocateError::InAllocator)?;
        table.insert(owner, area).ok_or(exhausted)
    }

    /// Frees the area of a handle, if it lives and is this owner's.
    ///
    /// # Errors
    ///
    /// [`OwnedReleaseError`]: double, stale, interior and foreign frees each have a name.
    pub fn release_owned(
        &mut self,
        table: &mut HandleTable<'_>,
        owner: OwnerId,
        handle: Handle,
    ) -> Result<Area, OwnedReleaseError> {
        let of = table.check(owner, handle).map_err(OwnedReleaseError::BadHandle)?;
        let area = self.release(of.chunk, of.area.offset);
        let area = area.map_err(OwnedReleaseError::InAllocator)?;
        table.remove(handle);
        Ok(area)
    }

    /// Frees everything that an owner still has, and says how many areas that was.
    pub fn release_all_of(&mut self, table: &mut HandleTable<'_>, owner: OwnerId) -> usize {
        let mut freed = 0;
        for index in 0..table.limit() {
            let Some(handle) = table.handle_at(index, owner) else {
                continue;
            };
            let area = handle.area();
            // An area that is gone by its offset has nothing left to free.
            freed += usize::from(self.release(area.chunk, area.area.offset).is_ok());
            table.remove(handle);
        }
        freed
    }
}

impl fmt::Display for HandleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchHandle => write!(f, "there never was such a handle"),
            Self::FreedAlready => write!(f, "freed already"),
            Self::StaleGeneration { current } => write!(f, "stale: generation {current} lives there now"),
            Self::NotItsArea => write!(f, "a handle of another area"),
            Self::NotYours { owner } => write!(f, "owner {} has it", owner.0),
        }
    }
}

impl fmt::Display for OwnedAllocateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HandlesExhausted { limit } => write!(f, "all {limit} handles are in use"),
            Self::InAllocator(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for OwnedReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadHandle(error) => error.fmt(f),
            Self::InAllocator(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for HandleError {}
impl core::error::Error for OwnedAllocateError {}
impl core::error::Error for OwnedReleaseError {}
