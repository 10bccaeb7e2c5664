//! Which pages of a chunk are populated (K6, K7). Frames themselves are the caller's business.

use super::{
    Area, BLOCK_BITS, Chunk, PopulateError,
    bits::{self, Run},
};
use crate::{PAGE_SIZE, PageRange};

impl Chunk<'_> {
    /// Says that these pages are populated in every unit.
    ///
    /// # Errors
    ///
    /// [`PopulateError::OutOfRange`], [`PopulateError::Populated`]. Nothing is changed.
    pub fn populate(&mut self, range: PageRange) -> Result<(), PopulateError> {
        let run = self.page_run(range)?;
        let page = bits::next_one(self.storage.populated, run);
        if page != run.end {
            return Err(PopulateError::Populated { page: page as usize });
        }
        self.fill(range);
        Ok(())
    }

    /// Says that these pages are not populated any more.
    ///
    /// # Errors
    ///
    /// [`PopulateError::OutOfRange`], [`PopulateError::NotPopulated`], and [`PopulateError::InUse`] if
    /// there is an area in one of them. Nothing is changed.
    pub fn depopulate(&mut self, range: PageRange) -> Result<(), PopulateError> {
        let run = self.page_run(range)?;
        let page = bits::next_zero(self.storage.populated, run);
        if page != run.end {
            return Err(PopulateError::NotPopulated { page: page as usize });
        }
        if let Some(page) = (run.start..run.end).find(|page| !self.is_block_free(*page)) {
            return Err(PopulateError::InUse { page: page as usize });
        }
        bits::clear(self.storage.populated, run);
        self.populated_pages -= run.len();
        self.empty_pages -= run.len() as i32;
        Ok(())
    }

    /// Whether this page is populated; `None` behind the chunk.
    pub fn is_populated(&self, page: usize) -> Option<bool> {
        let range = PageRange {
            first: page,
            count: 1,
        };
        let run = self.page_run(range).ok()?;
        Some(bits::is_set(self.storage.populated, run.start))
    }

    /// The runs of pages in a range that are not populated, ascending. Of a range that goes behind the
    /// chunk, none.
    pub fn unpopulated(&self, range: PageRange) -> impl Iterator<Item = PageRange> + '_ {
        let run = self.page_run(range).unwrap_or(Run::new(0, 0));
        bits::clear_runs(self.storage.populated, run).map(|run| PageRange {
            first: run.start as usize,
            count: run.len() as usize,
        })
    }

    /// Whether all pages of an area in this chunk are populated.
    #[inline]
    pub(crate) fn is_area_populated(&self, area: Area) -> bool {
        if self.populated_pages == self.pages {
            return true;
        }
        let PageRange { first, count } = area.pages();
        let run = Run::new(first as u32, (first + count) as u32);
        bits::next_zero(self.storage.populated, run) == run.end
    }

    /// Whether this page is populated and holds no area (K7). Not so behind the chunk.
    pub fn is_empty_page(&self, page: usize) -> bool {
        self.is_populated(page) == Some(true) && self.is_block_free(page as u32)
    }

    pub(super) fn fill(&mut self, range: PageRange) {
        let run = Run::new(range.first as u32, (range.first + range.count) as u32);
        bits::set(self.storage.populated, run);
        self.populated_pages += run.len();
        self.empty_pages += run.len() as i32;
    }

    /// If a page that the run touches is not populated: the first bit behind those pages, but no further
    /// than the run's last page.
    pub(super) fn behind_hole(&self, run: Run) -> Option<u32> {
        let pages = Run::new(run.start / BLOCK_BITS, run.end.div_ceil(BLOCK_BITS));
        let hole = bits::next_zero(self.storage.populated, pages);
        let behind = bits::next_one(self.storage.populated, Run::new(hole, pages.end));
        (hole < pages.end).then_some(behind * BLOCK_BITS)
    }

    fn is_block_free(&self, block: u32) -> bool {
        self.storage.blocks[block as usize].is_all_free()
    }

    fn page_run(&self, range: PageRange) -> Result<Run, PopulateError> {
        match range.end() {
            Some(end) if end <= self.pages() => Ok(Run::new(range.first as u32, end as u32)),
            _ => Err(PopulateError::OutOfRange { pages: self.pages() }),
        }
    }
}

impl Area {
    /// The pages that the area touches.
    pub const fn pages(self) -> PageRange {
        let page = PAGE_SIZE as usize;
        let first = self.offset / page;
        PageRange {
            first,
            count: self.offset.saturating_add(self.size).div_ceil(page) - first,
        }
    }
}
