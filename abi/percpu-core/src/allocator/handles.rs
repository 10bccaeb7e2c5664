//! `HandleTable`: handles with an owner and a generation, above offsets.
//!
//! An offset cannot show that it is stale: once its start is allocated again, a late free would hit the new
//! area. A handle can, because its place in the table counts how often it was used. Knows no allocator:
//! [`Allocator::allocate_owned`](super::Allocator::allocate_owned) and its reverse use it.

use super::AreaOf;

/// Whose area it is. What the number means is the caller's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnerId(pub u32);

/// One place of a table. Lent by the caller, `HandleRecord::default()` for each area that may live.
#[derive(Clone, Copy, Debug, Default)]
pub struct HandleRecord {
    /// Even: free. Odd: in use.
    generation: u32,
    /// The next free place, if this one is free and there is one.
    next_free: Option<u32>,
    area: Option<(OwnerId, AreaOf)>,
}

/// Names one area for as long as it lives, and never another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle {
    index: u32,
    generation: u32,
    area: AreaOf,
}

/// Why a handle is not accepted. Nothing is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandleError {
    /// The table has no such place.
    NoSuchHandle,
    /// Its area was freed, and nothing lives in its place: a double free.
    FreedAlready,
    /// Its area was freed, and its place belongs to another one now.
    StaleGeneration {
        /// The generation that lives there now.
        current: u32,
    },
    /// It is the handle of an area, but names bytes inside it or elsewhere.
    NotItsArea,
    /// Somebody else owns the area.
    NotYours {
        /// Who.
        owner: OwnerId,
    },
}

/// Areas by handle.
#[derive(Debug)]
pub struct HandleTable<'m> {
    records: &'m mut [HandleRecord],
    first_free: Option<u32>,
}

impl Handle {
    /// The area: offsets are used without asking the table.
    pub const fn area(self) -> AreaOf {
        self.area
    }

    /// Its place in the table.
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Which use of that place it is.
    pub const fn generation(self) -> u32 {
        self.generation
    }

    /// A handle that came from outside. It may be anything; the table tells.
    pub const fn from_parts(index: u32, generation: u32, area: AreaOf) -> Self {
        Self {
            index,
            generation,
            area,
        }
    }
}

impl<'m> HandleTable<'m> {
    /// A table with room for as many areas as there are records, at most 2^32 − 1.
    pub fn new(records: &'m mut [HandleRecord]) -> Self {
        let mut first_free = None;
        for (index, record) in records.iter_mut().enumerate().rev() {
            *record = HandleRecord {
                next_free: first_free,
                ..HandleRecord::default()
            };
            first_free = u32::try_from(index).ok();
        }
        Self { records, first_free }
    }

    /// How many areas can have handles at a time.
    pub fn limit(&self) -> usize {
        self.records.len()
    }

    /// Whether one more can have one.
    pub fn has_room(&self) -> bool {
        self.first_free.is_some()
    }

    /// The area and owner of a handle.
    ///
    /// # Errors
    ///
    /// Any [`HandleError`].
    pub fn check(&self, owner: OwnerId, handle: Handle) -> Result<AreaOf, HandleError> {
        let record = self.records.get(handle.index as usize);
        let record = record.ok_or(HandleError::NoSuchHandle)?;
        let current = record.generation;
        match record.area {
            _ if handle.generation > current || handle.generation.is_multiple_of(2) => {
                Err(HandleError::NoSuchHandle)
            }
            None => Err(HandleError::FreedAlready),
            Some(_) if handle.generation != current => Err(HandleError::StaleGeneration { current }),
            Some((_, area)) if area != handle.area => Err(HandleError::NotItsArea),
            Some((of, _)) if of != owner => Err(HandleError::NotYours { owner: of }),
            Some((_, area)) => Ok(area),
        }
    }

    /// All handles with their owners.
    pub fn handles(&self) -> impl Iterator<Item = (OwnerId, Handle)> + '_ {
        self.records.iter().enumerate().filter_map(|(index, record)| {
            let (owner, area) = record.area?;
            Some((owner, Handle::from_parts(index as u32, record.generation, area)))
        })
    }

    /// The handle in this place, if it is this owner's.
    pub(super) fn handle_at(&self, index: usize, owner: OwnerId) -> Option<Handle> {
        let record = self.records.get(index)?;
        let (_, area) = record.area.filter(|(of, _)| *of == owner)?;
        Some(Handle::from_parts(index as u32, record.generation, area))
    }

    /// Gives an area a handle, if there is room.
    pub(super) fn insert(&mut self, owner: OwnerId, area: AreaOf) -> Option<Handle> {
        let index = self.first_free?;
        let record = self.records.get_mut(index as usize)?;
        self.first_free = record.next_free.take();
        record.generation += 1;
        record.area = Some((owner, area));
        Some(Handle::from_parts(index, record.generation, area))
    }

    /// Forgets a handle that was checked. A place whose generations are used up is not used again.
    pub(super) fn remove(&mut self, handle: Handle) {
        if let Some(record) = self.records.get_mut(handle.index as usize) {
            record.area = None;
            record.generation += 1;
            if record.generation < u32::MAX - 1 {
                record.next_free = self.first_free;
                self.first_free = Some(handle.index);
            }
        }
    }
}
