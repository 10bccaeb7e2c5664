//! The mode that Linux lacks: nothing is refused, and no chunk is made, before it is proved that no fit
//! exists (Z2). Recorded traces are replayed without it.

use super::{AllocateError, Allocator, AreaOf, Backing, Request, allocate::Found};
use crate::{PinnedPage, Reach};

use super::ChunkId;

impl<'m, B: Backing<'m>, const CHUNKS: usize> Allocator<'m, B, CHUNKS> {
    /// The same allocator with exact refusals. Costs nothing while hints find places; a refusal or a new
    /// chunk costs a search of all maps.
    #[must_use]
    pub fn with_exact_search(mut self) -> Self {
        self.is_exact = true;
        self
    }

    /// The pages that cannot be given back because of a few bytes (Z5): those of later chunks, with at most
    /// so many bytes in areas. [`Chunk::areas_in_page`](crate::Chunk::areas_in_page) names the areas.
    pub fn pinned_pages(&self, at_most_bytes: usize) -> impl Iterator<Item = (ChunkId, PinnedPage)> + '_ {
        self.chunks()
            .filter(|listed| listed.id != ChunkId::FIRST)
            .flat_map(move |listed| {
                let pages = listed.chunk.pinned_pages(at_most_bytes);
                pages.map(move |page| (listed.id, page))
            })
    }

    /// The first fit in any list, also in those that are not searched by hints.
    pub(super) fn search_exactly(&mut self, request: Request) -> Option<Found> {
        if !self.is_exact {
            return None;
        }
        let mut slot = 0;
        while let Some(filled) = self.lists.next_filled(slot) {
            slot = filled + 1;
            let mut next = self.lists.first(filled);
            while let Some(index) = next {
                next = self.lists.behind(index);
                if let Some(found) = self.take_exactly_from(index, request) {
                    return Some(found);
                }
            }
        }
        None
    }

    fn take_exactly_from(&mut self, index: usize, request: Request) -> Option<Found> {
        let taken = self.change(index, |chunk| {
            let area = chunk.allocate_first_fit(request.need, request.reach).ok()?;
            let is_populated = chunk.is_area_populated(area);
            Some(Found {
                index,
                area,
                is_populated,
            })
        });
        let found = taken.flatten()?;
        self.reintegrate(index);
        Some(found)
    }

    /// There were no frames for a place: one that needs none is as good.
    #[inline(never)]
    pub(super) fn allocate_populated(
        &mut self,
        request: Request,
        refusal: AllocateError,
    ) -> Result<AreaOf, AllocateError> {
        let reach = Reach::PopulatedPages;
        match self.search_exactly(Request { reach, ..request }) {
            None => Err(refusal),
            Some(Found { index, area, .. }) => {
                self.stats.count_area(area.size);
                let chunk = self.id(index);
                Ok(AreaOf { chunk, area })
            }
        }
    }
}
