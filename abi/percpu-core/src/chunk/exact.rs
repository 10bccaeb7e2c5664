//! The exact search: a fit is found if there is one anywhere, whatever the hints say (Z2).
//!
//! Linux has nothing like it, so [`Chunk::allocate`] does not use it. Takes time in proportion to the chunk.

use super::{Area, AreaNeed, Chunk, NoFit, Reach, area_of, bits, bits::Run, take::aligned_fit};

impl Chunk<'_> {
    /// Takes an area where [`allocate`](Self::allocate) would, and if it finds no place, the first fit
    /// that there is.
    ///
    /// # Errors
    ///
    /// [`NoFit::Proven`]. Nothing is changed.
    pub fn allocate_exactly(&mut self, need: AreaNeed, reach: Reach) -> Result<Area, NoFit> {
        let by_hints = self.allocate(need, reach);
        by_hints.or_else(|_| self.allocate_first_fit(need, reach))
    }

    /// Takes the first fit.
    pub(crate) fn allocate_first_fit(&mut self, need: AreaNeed, reach: Reach) -> Result<Area, NoFit> {
        let run = self.first_fit(need, reach).ok_or(NoFit::Proven)?;
        self.mark_taken(run);
        self.count_area(need);
        Ok(area_of(run))
    }

    /// Terminates: the search goes on behind a taken bit, or behind pages that are not populated.
    fn first_fit(&self, need: AreaNeed, reach: Reach) -> Option<Run> {
        let mut from = self.hints.first_free;
        while self.free_bits >= need.bits() {
            let fit = aligned_fit(self.storage.areas, need, Run::new(from, self.bits()))?;
            let taken = bits::next_one(self.storage.areas, fit);
            from = match reach {
                _ if taken < fit.end => taken + 1,
                Reach::AllPages => return Some(fit),
                Reach::PopulatedPages => match self.behind_hole(fit) {
                    Some(behind) => behind,
                    None => return Some(fit),
                },
            };
        }
        None
    }
}
