//! Taking an area from the fullest chunk that has a place, or from a new one (A5 to A10).

use super::{AllocateError, Allocator, Backing, ChunkId, EMPTY_PAGES_LOW};
use crate::{Area, AreaNeed, Chunk, NoFit, PageRange, Reach};

/// Chunks in slots below this that have no fit go to slot 0, where nobody looks (A6).
const FAIL_THRESHOLD: usize = 3;

/// Which part of the first chunk an area comes from. Later chunks are dynamic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// From any chunk.
    Dynamic,
    /// From the reserved part only, if there is one (R2).
    Reserved,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Size and alignment.
    pub need: AreaNeed,
    /// [`Reach::PopulatedPages`] if the caller cannot wait (*atomic*, A2).
    pub reach: Reach,
    /// From which part.
    pub part: Part,
}

/// An area and the chunk that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AreaOf {
    /// The chunk.
    pub chunk: ChunkId,
    /// Offset and size in it.
    pub area: Area,
}

/// An area, and where it was found.
pub(super) struct Found {
    pub index: usize,
    pub area: Area,
    pub is_populated: bool,
}

impl<'m, B: Backing<'m>, const CHUNKS: usize> Allocator<'m, B, CHUNKS> {
    /// Takes an area; its pages are populated in every unit. What they hold is not cleared (A11).
    ///
    /// # Errors
    ///
    /// [`AllocateError::ReservedFull`], [`AllocateError::NoPopulatedSpace`], [`AllocateError::NoChunk`],
    /// [`AllocateError::NoFrames`]. A refused caller that could not wait makes balancing wanted (A8).
    pub fn allocate(&mut self, request: Request) -> Result<AreaOf, AllocateError> {
        let is_dynamic = request.part == Part::Dynamic || self.reserved.is_none();
        // Mostly the first chunk of the first list that is not empty has a place.
        if is_dynamic
            && let Some(slot) = self.next_searched(self.slots.of_need(request.need))
            && let Some(index) = self.lists.first(slot)
        {
            return match self.take_from(index, request) {
                Ok(found) => self.finish(request, found),
                Err(reason) => self.allocate_behind(request, slot, index, reason),
            };
        }
        match is_dynamic {
            true => self.allocate_in_new_chunk(request),
            false => self.allocate_reserved(request),
        }
    }

    /// Takes the area's pages into account.
    #[inline(always)]
    fn finish(&mut self, request: Request, found: Found) -> Result<AreaOf, AllocateError> {
        let Found {
            index,
            area,
            is_populated,
        } = found;
        let chunk = self.id(index);
        self.stats.count_area(area.size);
        if request.reach == Reach::AllPages
            && !is_populated
            && let Err(refusal) = self.populate_area(index, area)
        {
            return self.allocate_populated(request, refusal);
        }
        if self.empty_pages < EMPTY_PAGES_LOW {
            self.is_balancing_wanted = true;
        }
        Ok(AreaOf { chunk, area })
    }

    /// This chunk had no place: those behind it are tried, and then the lists behind this one.
    #[inline(never)]
    fn allocate_behind(
        &mut self,
        request: Request,
        slot: usize,
        index: usize,
        reason: NoFit,
    ) -> Result<AreaOf, AllocateError> {
        match self.search_behind(request, slot, index, reason) {
            Some(found) => self.finish(request, found),
            None => self.allocate_in_new_chunk(request),
        }
    }

    /// No chunk has a place. A new chunk has room for everything, so one is enough.
    #[inline(never)]
    fn allocate_in_new_chunk(&mut self, request: Request) -> Result<AreaOf, AllocateError> {
        if let Some(found) = self.search_exactly(request) {
            return self.finish(request, found);
        }
        if request.reach == Reach::PopulatedPages {
            return self.refuse_atomic(AllocateError::NoPopulatedSpace);
        }
        let index = self.make_chunk().ok_or(AllocateError::NoChunk)?;
        match self.take_from(index, request) {
            Ok(found) => self.finish(request, found),
            Err(_) => Err(AllocateError::NoChunk),
        }
    }

    #[inline(never)]
    fn allocate_reserved(&mut self, request: Request) -> Result<AreaOf, AllocateError> {
        let is_exact = self.is_exact;
        let area = self.reserved.as_mut().and_then(|chunk| match is_exact {
            true => chunk.allocate_exactly(request.need, request.reach).ok(),
            false => chunk.allocate(request.need, request.reach).ok(),
        });
        let Some(area) = area else {
            return match request.reach {
                Reach::PopulatedPages => self.refuse_atomic(AllocateError::ReservedFull),
                Reach::AllPages => Err(AllocateError::ReservedFull),
            };
        };
        self.stats.count_area(area.size);
        if self.empty_pages < EMPTY_PAGES_LOW {
            self.is_balancing_wanted = true;
        }
        let chunk = ChunkId::RESERVED;
        Ok(AreaOf { chunk, area })
    }

    /// Refuses a caller that could not wait, and wants balancing so that the next one finds something (A8).
    fn refuse_atomic(&mut self, refusal: AllocateError) -> Result<AreaOf, AllocateError> {
        self.atomic_failed = true;
        self.is_balancing_wanted = true;
        Err(refusal)
    }

    fn search_behind(
        &mut self,
        request: Request,
        mut slot: usize,
        mut index: usize,
        mut reason: NoFit,
    ) -> Option<Found> {
        loop {
            let behind = self.lists.behind(index);
            if reason == NoFit::ByHints && slot < FAIL_THRESHOLD {
                self.lists.move_to_front(index, 0);
            }
            index = match behind {
                Some(behind) => behind,
                None => {
                    slot = self.next_searched(slot + 1)?;
                    self.lists.first(slot)?
                }
            };
            match self.take_from(index, request) {
                Ok(found) => return Some(found),
                Err(next_reason) => reason = next_reason,
            }
        }
    }

    /// The first list at or behind this slot that is searched and not empty.
    #[inline(always)]
    fn next_searched(&self, slot: usize) -> Option<usize> {
        let slot = self.lists.next_filled(slot)?;
        (slot < self.slots.to_depopulate()).then_some(slot)
    }

    #[inline(always)]
    fn take_from(&mut self, index: usize, request: Request) -> Result<Found, NoFit> {
        let taken = self.change(index, |chunk| {
            let area = chunk.allocate(request.need, request.reach)?;
            let is_populated = chunk.is_area_populated(area);
            Ok(Found {
                index,
                area,
                is_populated,
            })
        });
        // A list holds no empty entries.
        let found = taken.unwrap_or(Err(NoFit::ByHints))?;
        self.reintegrate(index);
        Ok(found)
    }

    /// Populates what is missing of an area, or gives the area back (A9).
    #[inline(never)]
    fn populate_area(&mut self, index: usize, area: Area) -> Result<(), AllocateError> {
        while let Some(range) = self.first_hole(index, area.pages()) {
            if !self.populate(index, range) {
                // The area was taken a moment ago: this cannot be refused.
                let _ = self.change(index, |chunk| chunk.free(area.offset));
                self.stats.count_free();
                return Err(AllocateError::NoFrames);
            }
        }
        Ok(())
    }

    pub(super) fn first_hole(&self, index: usize, pages: PageRange) -> Option<PageRange> {
        let chunk = self.entries[index].chunk.as_ref()?;
        chunk.unpopulated(pages).next()
    }

    /// Whether there were frames for these pages, none of which is populated.
    pub(super) fn populate(&mut self, index: usize, pages: PageRange) -> bool {
        let has_frames = self.backing.populate(self.id(index), pages).is_ok();
        has_frames && self.change_pages(index, |chunk| chunk.populate(pages))
    }

    /// A new chunk, at the front of the free slot.
    pub(super) fn make_chunk(&mut self) -> Option<usize> {
        let index = self.entries.iter().position(|entry| entry.chunk.is_none())?;
        let id = ChunkId {
            index: index as u16,
            number: self.made,
        };
        let storage = self.backing.create(id)?;
        let pages = self.slots.unit_size() / crate::PAGE_SIZE as usize;
        let chunk = Chunk::new(storage, pages).ok()?.with_free_rule(self.rule);
        self.enter(index, chunk);
        Some(index)
    }
}
