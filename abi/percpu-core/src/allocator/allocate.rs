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

impl<'m, B: Backing<'m>, const CHUNKS: usize> Allocator<'m, B, CHUNKS> {
    /// Takes an area; its pages are populated in every unit. What they hold is not cleared (A11).
    ///
    /// # Errors
    ///
    /// [`AllocateError::ReservedFull`], [`AllocateError::NoPopulatedSpace`], [`AllocateError::NoChunk`],
    /// [`AllocateError::NoFrames`]. A refused caller that could not wait makes balancing wanted (A8).
    pub fn allocate(&mut self, request: Request) -> Result<AreaOf, AllocateError> {
        let answer = match (request.part, &mut self.reserved) {
            (Part::Reserved, Some(reserved)) => take_reserved(reserved, request),
            _ => self.take(request),
        };
        match answer {
            Ok(taken) => self.take_pages(taken, request),
            Err(refusal) => {
                if request.reach == Reach::PopulatedPages {
                    self.atomic_failed = true;
                    self.is_balancing_wanted = true;
                }
                Err(refusal)
            }
        }
    }

    fn take_pages(&mut self, taken: AreaOf, request: Request) -> Result<AreaOf, AllocateError> {
        self.stats.count_area(taken.area.size);
        if request.reach == Reach::AllPages && taken.chunk != ChunkId::RESERVED {
            self.populate_area(taken)?;
        }
        if self.empty_pages < EMPTY_PAGES_LOW {
            self.is_balancing_wanted = true;
        }
        Ok(taken)
    }

    /// A new chunk has room for everything, so one is enough.
    fn take(&mut self, request: Request) -> Result<AreaOf, AllocateError> {
        if let Some(found) = self.search(request) {
            return Ok(found);
        }
        if request.reach == Reach::PopulatedPages {
            return Err(AllocateError::NoPopulatedSpace);
        }
        self.make_chunk().ok_or(AllocateError::NoChunk)?;
        self.search(request).ok_or(AllocateError::NoChunk)
    }

    fn search(&mut self, request: Request) -> Option<AreaOf> {
        for slot in self.slots.of_size(request.need.size())..=self.slots.free() {
            let mut next = self.lists.first(slot);
            while let Some(index) = next {
                next = self.lists.behind(index);
                let take = |chunk: &mut Chunk<'_>| chunk.allocate(request.need, request.reach);
                match self.change(index, take)? {
                    Ok(area) => {
                        self.reintegrate(index);
                        let chunk = self.id(index);
                        return Some(AreaOf { chunk, area });
                    }
                    Err(NoFit::ByHints) if slot < FAIL_THRESHOLD => self.lists.move_to_front(index, 0),
                    Err(_) => {}
                }
            }
        }
        None
    }

    /// Populates what is missing of an area, or gives the area back (A9).
    fn populate_area(&mut self, taken: AreaOf) -> Result<(), AllocateError> {
        let index = usize::from(taken.chunk.index);
        while let Some(range) = self.first_hole(index, taken.area.pages()) {
            if !self.populate(index, range) {
                // The area was taken a moment ago: this cannot be refused.
                let _ = self.change(index, |chunk| chunk.free(taken.area.offset));
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
        has_frames && matches!(self.change(index, |chunk| chunk.populate(pages)), Some(Ok(())))
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

fn take_reserved(reserved: &mut Chunk<'_>, request: Request) -> Result<AreaOf, AllocateError> {
    let area = reserved.allocate(request.need, request.reach);
    let chunk = ChunkId::RESERVED;
    area.map(|area| AreaOf { chunk, area })
        .map_err(|_| AllocateError::ReservedFull)
}
