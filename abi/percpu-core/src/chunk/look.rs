//! Looking at a chunk: its areas one by one, what keeps pages populated (Z5), and Linux's figures (O4).

use super::{
    Area, BLOCK_BITS, Chunk, MIN_AREA_SIZE, area_of,
    bits::{self, Run},
};

/// A populated page that areas keep from being given back (Z5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinnedPage {
    /// Number of the page in the chunk.
    pub page: usize,
    /// How many areas touch it.
    pub areas: usize,
    /// Bytes of it that are in areas.
    pub taken_bytes: usize,
}

/// The figures that Linux's `percpu_stats` has for each chunk (O4), in bytes but for the first three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkStats {
    /// Areas now (`nr_alloc`).
    pub areas: usize,
    /// Populated pages without an area (`empty_pop_pages`).
    pub empty_pages: isize,
    /// The first bit that may be free (`first_bit`).
    pub first_bit: usize,
    /// The largest area there ever was (`max_alloc_size`).
    pub largest_ever: usize,
    /// Bytes in no area (`free_bytes`).
    pub free_bytes: usize,
    /// The longest free run known (`contig_bytes`).
    pub longest_known: usize,
    /// All free runs before the last area (`sum_frag`).
    pub fragments: usize,
    /// The longest of these (`max_frag`).
    pub largest_fragment: usize,
    /// The smallest area now, 0 if there is none (`cur_min_alloc`).
    pub smallest: usize,
    /// The median, of two the smaller (`cur_med_alloc`).
    pub median: usize,
    /// The largest area now (`cur_max_alloc`).
    pub largest: usize,
}

impl Chunk<'_> {
    /// All areas, ascending. What is hidden is none.
    pub fn area_list(&self) -> impl Iterator<Item = Area> + '_ {
        let end = self.bits() - self.tail_bits;
        let mut from = self.head_bits;
        core::iter::from_fn(move || {
            let start = bits::next_one(self.storage.areas, Run::new(from, end));
            if start == end {
                return None;
            }
            from = bits::next_one(self.storage.bounds, Run::new(start + 1, end));
            Some(area_of(Run::new(start, from)))
        })
    }

    /// The areas that touch a page, ascending: what keeps it populated. None behind the chunk.
    pub fn areas_in_page(&self, page: usize) -> impl Iterator<Item = Area> + '_ {
        self.area_list().filter(move |area| {
            let pages = area.pages();
            pages.first <= page && page < pages.first + pages.count
        })
    }

    /// The populated pages with at least one area and at most so many bytes in areas.
    pub fn pinned_pages(&self, at_most_bytes: usize) -> impl Iterator<Item = PinnedPage> + '_ {
        let page_use = |page: usize| {
            let is_candidate = self.is_populated(page) == Some(true) && !self.is_empty_page(page);
            is_candidate.then(|| self.page_use(page))
        };
        (0..self.pages())
            .filter_map(page_use)
            .filter(move |pinned| pinned.areas != 0 && pinned.taken_bytes <= at_most_bytes)
    }

    fn page_use(&self, page: usize) -> PinnedPage {
        let page_bytes = BLOCK_BITS as usize * MIN_AREA_SIZE;
        let (start, end) = (page * page_bytes, (page + 1) * page_bytes);
        let mut pinned = PinnedPage {
            page,
            areas: 0,
            taken_bytes: 0,
        };
        for area in self.areas_in_page(page) {
            pinned.areas += 1;
            pinned.taken_bytes += (area.offset + area.size).min(end) - area.offset.max(start);
        }
        pinned
    }

    /// Linux's figures (O4). Takes time in proportion to the chunk.
    pub fn stats(&self) -> ChunkStats {
        let sizes = || self.area_list().map(|area| area.size);
        let last = self.area_list().last().map_or(0, |area| area.offset + area.size);
        let before_last = Run::new(self.head_bits, (last / MIN_AREA_SIZE) as u32);
        let fragments = || bits::clear_runs(self.storage.areas, before_last).map(|run| run.len() as usize);
        ChunkStats {
            areas: self.areas(),
            empty_pages: self.empty_pages(),
            first_bit: self.hints.first_free as usize,
            largest_ever: self.largest_area(),
            free_bytes: self.free_bytes(),
            longest_known: self.hints.contig as usize * MIN_AREA_SIZE,
            fragments: fragments().sum::<usize>() * MIN_AREA_SIZE,
            largest_fragment: fragments().max().unwrap_or(0) * MIN_AREA_SIZE,
            smallest: sizes().min().unwrap_or(0),
            median: self.median_size(),
            largest: sizes().max().unwrap_or(0),
        }
    }

    /// The smallest size that at least half of all areas do not exceed: found by halving, since there is no
    /// room for sorting.
    fn median_size(&self) -> usize {
        let (mut low, mut high) = (0, self.largest_area());
        while low < high {
            let middle = low + (high - low) / 2;
            let small = self.area_list().filter(|area| area.size <= middle).count();
            match small >= self.areas().div_ceil(2) {
                true => high = middle,
                false => low = middle + 1,
            }
        }
        if self.areas == 0 { 0 } else { low }
    }
}
