//! Taking an area: the first fit near the place that the hints named, and the hints afterwards (3.4, 3.5).

use super::{
    AreaNeed, BLOCK_BITS, Chunk,
    bits::{self, Run},
    hints::is_better_aligned,
    word,
};

impl Chunk<'_> {
    /// Takes the first fit that begins at most a block behind `from`.
    #[inline(always)]
    pub(super) fn take_near(&mut self, need: AreaNeed, from: u32) -> Option<Run> {
        let run = Run::new(from, from + need.bits());
        // Mostly it fits where the hints say, and in one word.
        if from & (need.align_bits() - 1) == 0 && word::is_clear(self.storage.areas, run) {
            self.mark_taken_in_word(run);
            return Some(run);
        }
        let run = self.search_near(need, from)?;
        self.mark_taken(run);
        Some(run)
    }

    #[inline(never)]
    fn search_near(&mut self, need: AreaNeed, from: u32) -> Option<Run> {
        let limit = (from + need.bits() + BLOCK_BITS).min(self.bits());
        let fit = aligned_fit(self.storage.areas, need, Run::new(from, limit))?;
        match bits::next_one(self.storage.areas, fit) {
            taken if taken == fit.end => Some(fit),
            taken => self.fit_behind(need, Run::new(fit.start, taken), limit),
        }
    }

    /// The first fit behind a free run that is too short. The longest run that was too short is worth
    /// knowing; of equally long ones the best aligned. Terminates: the search goes on behind a taken bit.
    fn fit_behind(&mut self, need: AreaNeed, short: Run, limit: u32) -> Option<Run> {
        let (mut skipped, mut taken) = (short, short.end);
        let areas = &*self.storage.areas;
        let fit = loop {
            let fit = aligned_fit(areas, need, Run::new(taken + 1, limit))?;
            taken = bits::next_one(areas, fit);
            if taken == fit.end {
                break fit;
            }
            let run = Run::new(fit.start, taken);
            let is_better = is_better_aligned(run.start, skipped.start);
            if run.len() > skipped.len() || (run.len() == skipped.len() && is_better) {
                skipped = run;
            }
        };
        if skipped.len() != 0 {
            self.offer_skipped(skipped);
        }
        Some(fit)
    }

    /// Marks a run as one area and brings all hints up to date. The run is free.
    #[inline(never)]
    pub(super) fn mark_taken(&mut self, run: Run) {
        bits::mark_area(self.storage.areas, self.storage.bounds, run);
        let (first, last) = (run.start / BLOCK_BITS, (run.end - 1) / BLOCK_BITS);
        if first == last {
            self.take_in_one(first, run);
        } else {
            self.take_in_several(first, last, run);
        }
        self.update_chunk_after_take(run, last);
    }

    /// The same for a run that lies in one word of the map.
    #[inline(always)]
    fn mark_taken_in_word(&mut self, run: Run) {
        word::mark_area(self.storage.areas, self.storage.bounds, run);
        let index = run.start / BLOCK_BITS;
        self.take_in_one(index, run);
        self.update_chunk_after_take(run, index);
    }

    #[inline(always)]
    fn update_chunk_after_take(&mut self, run: Run, last: u32) {
        self.free_bits -= run.len();
        if run.start == self.hints.first_free {
            self.hints.first_free = self.first_free_from(last);
        }
        if self.hints.scan_overlaps(run) {
            self.hints.scan = 0;
        }
        if self.hints.contig_overlaps(run) {
            self.rebuild_chunk(true);
        }
    }

    /// The first free bit of this block and those behind it, or the chunk's end.
    #[inline]
    fn first_free_from(&self, index: u32) -> u32 {
        let block = &self.storage.blocks[index as usize];
        if block.contig != 0 {
            let first = index * BLOCK_BITS + block.first_free;
            if !bits::is_set(self.storage.areas, first) {
                return first;
            }
        }
        self.search_first_free(index)
    }

    /// A block's `first_free` may be too low after all of it was taken.
    #[inline(never)]
    fn search_first_free(&self, index: u32) -> u32 {
        let blocks = &self.storage.blocks[index as usize..self.pages as usize];
        match blocks.iter().position(|block| block.contig != 0) {
            None => self.bits(),
            Some(full) => {
                let base = (index + full as u32) * BLOCK_BITS;
                let first = base + blocks[full].first_free;
                bits::next_zero(self.storage.areas, Run::new(first, base + BLOCK_BITS))
            }
        }
    }

    /// A run that was too short is worth knowing, if it lies in one block.
    fn offer_skipped(&mut self, skipped: Run) {
        let (block, base) = (
            skipped.start / BLOCK_BITS,
            skipped.start / BLOCK_BITS * BLOCK_BITS,
        );
        if skipped.end - base <= BLOCK_BITS {
            let start = bits::behind_last_one(self.storage.areas, Run::new(base, skipped.start));
            self.storage.blocks[block as usize].offer(Run::new(start - base, skipped.end - base));
        }
    }

    /// The run lies in this block.
    #[inline(always)]
    fn take_in_one(&mut self, index: u32, run: Run) {
        let base = index * BLOCK_BITS;
        let (start, end) = (run.start - base, run.end - base);
        let block = &mut self.storage.blocks[index as usize];
        self.empty_pages -= i32::from(block.is_all_free());
        if start == block.first_free {
            let behind = bits::next_zero(self.storage.areas, Run::new(run.end, base + BLOCK_BITS));
            block.first_free = behind - base;
            // Saves looking again, and is right or too low, as before.
            if run.start == self.hints.first_free && behind < base + BLOCK_BITS {
                self.hints.first_free = behind;
            }
        }
        if block.scan_overlaps(Run::new(start, end)) {
            block.scan = 0;
        }
        if block.contig_overlaps(Run::new(start, end)) {
            if start == 0 {
                block.left_free = 0;
            }
            self.rebuild_block(index);
        } else {
            block.left_free = block.left_free.min(start);
            block.right_free = block.right_free.min(BLOCK_BITS - end);
        }
    }

    #[inline(never)]
    fn take_in_several(&mut self, first: u32, last: u32, run: Run) {
        self.take_in_one(first, Run::new(run.start, (first + 1) * BLOCK_BITS));
        self.take_in_last(last, run.end - last * BLOCK_BITS);
        for block in &mut self.storage.blocks[first as usize + 1..last as usize] {
            block.take_all();
        }
        self.empty_pages -= (last - first - 1) as i32;
    }

    /// The block that the area ends in, if it starts in another one; it is taken up to `end`.
    fn take_in_last(&mut self, index: u32, end: u32) {
        let base = index * BLOCK_BITS;
        let block = &mut self.storage.blocks[index as usize];
        self.empty_pages -= i32::from(block.is_all_free());
        let behind = Run::new(base + end, base + BLOCK_BITS);
        block.first_free = bits::next_zero(self.storage.areas, behind) - base;
        if end == BLOCK_BITS {
            block.take_all();
            return;
        }
        if end > block.scan_start {
            block.scan = 0;
        }
        block.left_free = 0;
        if end > block.contig_start {
            self.rebuild_block(index);
        } else {
            block.right_free = block.right_free.min(BLOCK_BITS - end);
        }
    }
}

/// Where an area would lie at the first free bit of a run, if it ends within the run. Of its bits only the
/// first is known to be free, and not even that one if the alignment moves it.
#[inline]
pub(super) fn aligned_fit(areas: &[u64], need: AreaNeed, within: Run) -> Option<Run> {
    let free = bits::next_zero(areas, within);
    let start = (free + need.align_bits() - 1) & need.align_bits().wrapping_neg();
    let end = start + need.bits();
    (end <= within.end).then_some(Run::new(start, end))
}
