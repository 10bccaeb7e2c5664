//! Freeing an area: refused unless an area starts exactly there (F3, F4), and the hints afterwards (3.6).

use super::{
    Area, BLOCK_BITS, Chunk, FreeError, FreeRule, Hints, MIN_AREA_SIZE, area_of,
    bits::{self, Run},
};

impl Chunk<'_> {
    /// Frees the area that starts at this offset in bytes, and says how large it was. Its pages stay
    /// populated.
    ///
    /// An offset alone cannot show that it is stale: one whose start was allocated again frees the new
    /// area. Whoever must know keeps a generation or an owner beside it.
    ///
    /// # Errors
    ///
    /// [`FreeError::Unaligned`], [`FreeError::OutOfRange`], [`FreeError::Hidden`],
    /// [`FreeError::NotTaken`] (a double free), [`FreeError::Interior`]. Nothing is changed.
    pub fn free(&mut self, offset: usize) -> Result<Area, FreeError> {
        let run = self.area_at(offset)?;
        bits::clear(self.storage.areas, run);
        self.areas -= 1;
        self.free_bits += run.len();
        self.hints.first_free = self.hints.first_free.min(run.start);
        self.update_hints_after_free(run);
        Ok(area_of(run))
    }

    fn area_at(&self, offset: usize) -> Result<Run, FreeError> {
        if !offset.is_multiple_of(MIN_AREA_SIZE) {
            return Err(FreeError::Unaligned { offset });
        }
        let end = self.bits();
        let start = match u32::try_from(offset / MIN_AREA_SIZE) {
            Ok(start) if start < end => start,
            _ => return Err(FreeError::OutOfRange { offset }),
        };
        if start < self.head_bits || start >= end - self.tail_bits {
            return Err(FreeError::Hidden { offset });
        }
        if !bits::is_set(self.storage.areas, start) {
            return Err(FreeError::NotTaken { offset });
        }
        if !bits::is_set(self.storage.bounds, start) {
            return Err(FreeError::Interior { offset });
        }
        let behind = bits::next_one(self.storage.bounds, Run::new(start + 1, end));
        Ok(Run::new(start, behind))
    }

    fn update_hints_after_free(&mut self, run: Run) {
        let (first, last) = (run.start / BLOCK_BITS, (run.end - 1) / BLOCK_BITS);
        let start = self.start_of_free(first, run.start % BLOCK_BITS);
        let end = self.end_of_free(last, run.end - last * BLOCK_BITS);
        if first != last {
            self.offer_to_block(first, Run::new(start, BLOCK_BITS));
            self.offer_to_block(last, Run::new(0, end));
            self.storage.blocks[first as usize + 1..last as usize].fill(Hints::all_free(BLOCK_BITS));
            self.empty_pages += (last - first - 1) as i32;
            self.rebuild_chunk(false);
            return;
        }
        self.offer_to_block(first, Run::new(start, end));
        if end - start == BLOCK_BITS {
            self.rebuild_chunk(false);
        } else {
            self.offer_to_chunk(first, Run::new(start, end));
        }
    }

    fn offer_to_block(&mut self, index: u32, run: Run) {
        self.storage.blocks[index as usize].offer(run);
        self.empty_pages += i32::from(run.len() == BLOCK_BITS);
    }

    /// `run` counts from the start of the block. With Linux's rule the offered run has no positive length
    /// in any block but the first, so that only `first_free` can change (Z1).
    fn offer_to_chunk(&mut self, block: u32, run: Run) {
        let base = block * BLOCK_BITS;
        if self.rule == FreeRule::Corrected || block == 0 {
            self.hints.offer(Run::new(base + run.start, base + run.end));
        } else {
            self.hints.first_free = self.hints.first_free.min(base + run.start);
        }
    }

    /// Where the free run starts that a freed area starts in. The block's hint saves looking.
    fn start_of_free(&self, index: u32, start: u32) -> u32 {
        let known = self.storage.blocks[index as usize].contig_run();
        if start == known.end {
            known.start
        } else {
            bits::behind_last_one(self.block_map(index), Run::new(0, start))
        }
    }

    /// Where the free run ends that a freed area ends in.
    fn end_of_free(&self, index: u32, end: u32) -> u32 {
        let known = self.storage.blocks[index as usize].contig_run();
        if end == known.start {
            known.end
        } else {
            bits::next_one(self.block_map(index), Run::new(end, BLOCK_BITS))
        }
    }
}
