//! Balancing: spare chunks and spare pages go, and some empty pages are made ready (W1 to W4).

use super::{Allocator, Backing, EMPTY_PAGES_HIGH};
use crate::{Chunk, PAGE_SIZE, PageRange};

impl<'m, B: Backing<'m>, const CHUNKS: usize> Allocator<'m, B, CHUNKS> {
    /// Destroys wholly free chunks but one, takes pages back, makes up to four empty pages ready. Done
    /// by somebody who can wait, when [`is_balancing_wanted`](Self::is_balancing_wanted).
    pub fn balance(&mut self) {
        self.is_balancing_wanted = false;
        self.destroy_spare_chunks(|_| true);
        self.reclaim();
        self.make_pages_ready();
        self.destroy_spare_chunks(|chunk| chunk.empty_pages() == 0);
    }

    /// W1 and W4: of the free slot the first chunk stays.
    fn destroy_spare_chunks(&mut self, is_chosen: impl Fn(&Chunk<'_>) -> bool) {
        let first = self.lists.first(self.slots.free());
        let mut next = first.and_then(|first| self.lists.behind(first));
        while let Some(index) = next {
            next = self.lists.behind(index);
            if index != 0 && self.entries[index].chunk.as_ref().is_some_and(&is_chosen) {
                self.destroy(index);
            }
        }
    }

    fn destroy(&mut self, index: usize) {
        let pages = self.slots.unit_size() / PAGE_SIZE as usize;
        let mut end = pages;
        while let Some(range) = self.last_empty_pages(index, end) {
            self.depopulate(index, range);
            end = range.first;
        }
        self.lists.remove(index);
        let id = self.id(index);
        if let Some(chunk) = self.entries[index].chunk.take() {
            self.backing.destroy(id, chunk.into_storage());
            self.stats.chunks -= 1;
        }
    }

    /// W2. Terminates: each round takes a chunk from the list.
    fn reclaim(&mut self) {
        while let Some(index) = self.lists.first(self.slots.to_depopulate()) {
            let is_short_of_pages = self.reclaim_pages(index);
            let is_free = |chunk: &Chunk<'_>| chunk.free_bytes() == self.slots.unit_size();
            if is_short_of_pages || self.entries[index].chunk.as_ref().is_some_and(is_free) {
                self.reintegrate(index);
            } else {
                self.lists.move_to_back(index, self.slots.sidelined());
            }
        }
    }

    /// Takes empty pages back, from the last to the first. Whether that stopped because pages are few.
    fn reclaim_pages(&mut self, index: usize) -> bool {
        let mut end = self.entries[index].chunk.as_ref().map_or(0, Chunk::pages);
        let mut is_flush_due = false;
        let mut is_short = false;
        while let Some(range) = self.last_empty_pages(index, end) {
            is_short = self.empty_pages < EMPTY_PAGES_HIGH;
            if is_short {
                break;
            }
            self.depopulate(index, range);
            is_flush_due = true;
            end = range.first;
        }
        if is_flush_due {
            self.backing.flush(self.id(index));
        }
        is_short
    }

    /// The last run before `end` of populated pages without areas, as long as it can be.
    fn last_empty_pages(&self, index: usize, end: usize) -> Option<PageRange> {
        let chunk = self.entries[index].chunk.as_ref()?;
        let last = (0..end).rev().find(|page| chunk.is_empty_page(*page))?;
        let before = (0..last).rev().find(|page| !chunk.is_empty_page(*page));
        let first = before.map_or(0, |page| page + 1);
        let count = last + 1 - first;
        Some(PageRange { first, count })
    }

    fn depopulate(&mut self, index: usize, pages: PageRange) {
        if self.change_pages(index, |chunk| chunk.depopulate(pages)) {
            self.backing.depopulate(self.id(index), pages);
        }
    }

    /// W3. Terminates: there is room for so many chunks only.
    fn make_pages_ready(&mut self) {
        loop {
            let wanted = if core::mem::take(&mut self.atomic_failed) {
                EMPTY_PAGES_HIGH
            } else {
                (EMPTY_PAGES_HIGH - self.empty_pages).clamp(0, EMPTY_PAGES_HIGH)
            };
            let missing = self.populate_somewhere(wanted as usize);
            if missing == 0 || self.make_chunk().is_none() {
                return;
            }
        }
    }

    /// Populates so many pages, in the first chunk of each slot that has any to populate. How many are
    /// still missing; none if there are no frames.
    fn populate_somewhere(&mut self, mut wanted: usize) -> usize {
        for slot in self.slots.of_size(PAGE_SIZE as usize)..=self.slots.free() {
            let Some(index) = self.lists.in_order(slot).find(|index| self.has_hole(*index)) else {
                continue;
            };
            while let Some(hole) = self
                .first_hole(index, self.all_pages(index))
                .filter(|_| wanted != 0)
            {
                let count = hole.count.min(wanted);
                let first = hole.first;
                wanted = match self.populate(index, PageRange { first, count }) {
                    true => wanted - count,
                    false => 0,
                };
            }
        }
        wanted
    }

    fn has_hole(&self, index: usize) -> bool {
        let chunk = self.entries[index].chunk.as_ref();
        chunk.is_some_and(|chunk| chunk.populated_pages() < chunk.pages())
    }

    fn all_pages(&self, index: usize) -> PageRange {
        let count = self.entries[index].chunk.as_ref().map_or(0, Chunk::pages);
        PageRange { first: 0, count }
    }
}
