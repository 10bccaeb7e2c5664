//! Taking an area: the first fit near the place that the hints named, and the hints afterwards (3.4, 3.5).

use super::{
    AreaNeed, BLOCK_BITS, Chunk,
    bits::{self, Run},
    hints::is_better_aligned,
};

impl Chunk<'_> {
    /// Takes the first fit that begins at most a block behind `from`.
    pub(super) fn take_near(&mut self, need: AreaNeed, from: u32) -> Option<Run> {
        let limit = (from + need.bits() + BLOCK_BITS).min(self.bits());
        let mut skipped = Run::new(0, 0);
        let run = first_fit(self.storage.areas, need, Run::new(from, limit), &mut skipped)?;
        if skipped.len() != 0 {
            self.offer_skipped(skipped);
        }
        self.mark_taken(run);
        Some(run)
    }

    /// Marks a run as one area and brings all hints up to date. The run is free.
    pub(super) fn mark_taken(&mut self, run: Run) {
        bits::set(self.storage.areas, run);
        bits::clear(self.storage.bounds, Run::new(run.start + 1, run.end));
        bits::set_one(self.storage.bounds, run.start);
        bits::set_one(self.storage.bounds, run.end);
        self.free_bits -= run.len();
        if run.start == self.hints.first_free {
            self.hints.first_free = bits::next_zero(self.storage.areas, Run::new(run.end, self.bits()));
        }
        self.update_blocks_after_take(run);
        if self.hints.scan_run().overlaps(run) {
            self.hints.scan = 0;
        }
        if self.hints.contig_run().overlaps(run) {
            self.rebuild_chunk(true);
        }
    }

    /// A run that was too short is worth knowing, if it lies in one block.
    fn offer_skipped(&mut self, skipped: Run) {
        let (block, start) = (skipped.start / BLOCK_BITS, skipped.start % BLOCK_BITS);
        let end = start + skipped.len();
        if end <= BLOCK_BITS {
            let start = bits::behind_last_one(self.block_map(block), Run::new(0, start));
            self.storage.blocks[block as usize].offer(Run::new(start, end));
        }
    }

    fn update_blocks_after_take(&mut self, run: Run) {
        let (first, start) = (run.start / BLOCK_BITS, run.start % BLOCK_BITS);
        let last = (run.end - 1) / BLOCK_BITS;
        let end = run.end - last * BLOCK_BITS;
        if first == last {
            self.take_in_first(first, Run::new(start, end));
            return;
        }
        self.take_in_first(first, Run::new(start, BLOCK_BITS));
        self.take_in_last(last, end);
        for block in &mut self.storage.blocks[first as usize + 1..last as usize] {
            block.take_all();
        }
        self.empty_pages -= (last - first - 1) as i32;
    }

    /// The block that the area starts in; `run` is the part of the area in it.
    fn take_in_first(&mut self, index: u32, run: Run) {
        let words = super::storage::block_words(self.storage.areas, index);
        let block = &mut self.storage.blocks[index as usize];
        self.empty_pages -= i32::from(block.is_all_free());
        if run.start == block.first_free {
            block.first_free = bits::next_zero(words, Run::new(run.end, BLOCK_BITS));
        }
        if block.scan_run().overlaps(run) {
            block.scan = 0;
        }
        if block.contig_run().overlaps(run) {
            if run.start == 0 {
                block.left_free = 0;
            }
            block.rebuild(words);
        } else {
            block.left_free = block.left_free.min(run.start);
            block.right_free = block.right_free.min(BLOCK_BITS - run.end);
        }
    }

    /// The block that the area ends in, if it starts in another one; it is taken up to `end`.
    fn take_in_last(&mut self, index: u32, end: u32) {
        let words = super::storage::block_words(self.storage.areas, index);
        let block = &mut self.storage.blocks[index as usize];
        self.empty_pages -= i32::from(block.is_all_free());
        block.first_free = bits::next_zero(words, Run::new(end, BLOCK_BITS));
        if end == BLOCK_BITS {
            block.take_all();
            return;
        }
        if end > block.scan_start {
            block.scan = 0;
        }
        block.left_free = 0;
        if end > block.contig_start {
            block.rebuild(words);
        } else {
            block.right_free = block.right_free.min(BLOCK_BITS - end);
        }
    }
}

/// The first fit that lies within a run. `skipped` becomes the longest run that was too short; of
/// equally long ones the best aligned. Terminates: the search
/// goes on behind a taken bit.
fn first_fit(areas: &[u64], need: AreaNeed, within: Run, skipped: &mut Run) -> Option<Run> {
    let mut from = within.start;
    loop {
        let free = bits::next_zero(areas, Run::new(from, within.end));
        let start = free.next_multiple_of(need.align_bits());
        let fit = Run::new(start, start + need.bits());
        if fit.end > within.end {
            return None;
        }
        let taken = bits::next_one(areas, fit);
        if taken == fit.end {
            return Some(fit);
        }
        let (length, longest) = (taken - start, skipped.len());
        let is_better = is_better_aligned(start, skipped.start);
        if length > longest || (length == longest && is_better) {
            *skipped = Run::new(start, taken);
        }
        from = taken + 1;
    }
}
