//! Giving an area back, and when that makes pages or chunks worth giving back too (F5, F6).

use super::{Allocator, Backing, ChunkId, EMPTY_PAGES_HIGH, ReleaseError};
use crate::Area;

impl<'m, B: Backing<'m>, const CHUNKS: usize> Allocator<'m, B, CHUNKS> {
    /// Frees the area that starts at this offset in bytes of this chunk.
    ///
    /// # Errors
    ///
    /// [`ReleaseError::NoSuchChunk`], or the chunk's own refusal in [`ReleaseError::InChunk`].
    pub fn release(&mut self, chunk: ChunkId, offset: usize) -> Result<Area, ReleaseError> {
        if chunk.is_reserved() {
            let reserved = self.reserved.as_mut().ok_or(ReleaseError::NoSuchChunk)?;
            let area = reserved.free(offset).map_err(ReleaseError::InChunk)?;
            self.stats.count_free();
            return Ok(area);
        }
        let index = usize::from(chunk.index);
        if index >= CHUNKS || self.id(index) != chunk {
            return Err(ReleaseError::NoSuchChunk);
        }
        let answer = self.change(index, |chunk| chunk.free(offset));
        let area = answer.ok_or(ReleaseError::NoSuchChunk)?;
        let area = area.map_err(ReleaseError::InChunk)?;
        self.stats.count_free();
        self.consider(index);
        Ok(area)
    }

    /// Wholly free chunks are many, or this one's pages should go: balancing is wanted (F5).
    fn consider(&mut self, index: usize) {
        let entry = &self.entries[index];
        let Some(chunk) = &entry.chunk else { return };
        if !entry.is_isolated && chunk.free_bytes() == self.slots.unit_size() {
            let has_other = self.lists.in_order(self.slots.free()).any(|other| other != index);
            self.is_balancing_wanted |= has_other;
        } else if self.should_reclaim(index) {
            self.isolate(index);
            self.is_balancing_wanted = true;
        }
    }

    /// F6. The first chunk never gives pages back.
    fn should_reclaim(&self, index: usize) -> bool {
        let entry = &self.entries[index];
        let Some(chunk) = entry.chunk.as_ref().filter(|_| index != 0) else {
            return false;
        };
        let empty = chunk.empty_pages();
        let has_many = empty >= (chunk.pages() / 4) as isize;
        (entry.is_isolated && empty != 0) || (has_many && self.empty_pages > EMPTY_PAGES_HIGH + empty)
    }

    fn isolate(&mut self, index: usize) {
        let entry = &mut self.entries[index];
        if let (false, Some(chunk)) = (entry.is_isolated, &entry.chunk) {
            entry.is_isolated = true;
            self.empty_pages -= chunk.empty_pages();
        }
        self.lists.move_to_front(index, self.slots.to_depopulate());
    }
}
