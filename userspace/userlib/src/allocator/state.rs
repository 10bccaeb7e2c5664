//! What an allocator keeps under its lock: `percpu-core`'s allocator over regions.

use core::ptr::with_exposed_provenance_mut;

use percpu_core::{
    AllocatorSetup, AreaNeed, AreaOf, AreaRequest, FreeRule, NeedError, PAGE_SIZE, Part, Reach, Request,
};

use super::regions::{CHUNKS, Regions};
use super::{AllocateError, CHUNK_BYTES, FreeError};
use crate::memory::Mapping;

type Core = percpu_core::Allocator<'static, Regions, CHUNKS>;

/// An allocator without what is in front of it.
#[derive(Debug)]
pub struct State {
    /// Areas and chunks.
    pub core: Core,
    /// The generation of the next area; 0 is that of areas that are not checked.
    pub generation: u32,
}

/// An area that was taken: where its bytes for the caller lie, and the generation that it has.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Bytes from the start of every unit.
    pub offset: usize,
    /// 0 if the allocator is not a checked one.
    pub generation: u32,
}

/// A size and an alignment, checked.
pub fn need(size: usize, align: usize) -> Result<AreaNeed, NeedError> {
    AreaNeed::checked(AreaRequest { size, align })
}

impl State {
    /// The state of an allocator with one page, in memory of its own, since it is larger than many a stack.
    #[inline(never)]
    pub fn new(is_checked: bool) -> Result<&'static mut State, AllocateError> {
        let mapping = Mapping::own((size_of::<State>() as u64).div_ceil(PAGE_SIZE))?;
        let (regions, dynamic) = Regions::new(is_checked)?;
        let setup = AllocatorSetup {
            unit_size: CHUNK_BYTES,
            first_pages: 1,
            reserved: None,
            dynamic,
            rule: FreeRule::Corrected,
        };
        let core = Core::new(setup, regions).map_err(|_| AllocateError::NoRoom)?;
        let state = with_exposed_provenance_mut::<State>(mapping.address());
        core::mem::forget(mapping);
        // SAFETY: new memory, large enough, aligned to a page, and ours for ever since the mapping is forgotten.
        unsafe { state.write(State { core, generation: 1 }) };
        // SAFETY: written above, and named nowhere else.
        Ok(unsafe { &mut *state })
    }

    /// Takes an area. Where it lies in the window; what it holds is not cleared.
    pub fn take(&mut self, need: AreaNeed) -> Result<Place, AllocateError> {
        let request = Request {
            need,
            reach: Reach::AllPages,
            part: Part::Dynamic,
        };
        let AreaOf { chunk, area } = match self.core.allocate(request) {
            Ok(taken) => taken,
            Err(percpu_core::AllocateError::NoChunk) if self.core.chunks().count() == CHUNKS => {
                return Err(AllocateError::NoRoom);
            }
            Err(_) => return Err(self.core.backing().cause()),
        };
        let start = self.core.backing().start_of(chunk).ok_or(AllocateError::NoRoom)?;
        Ok(Place {
            offset: start + area.offset,
            generation: 0,
        })
    }

    /// Takes an area back; how large it was.
    pub fn give(&mut self, offset: usize) -> Result<usize, FreeError> {
        let found = self.core.backing().find(offset);
        let (chunk, within) = found.ok_or(FreeError::NoArea)?;
        let area = self.core.release(chunk, within)?;
        Ok(area.size)
    }
}
