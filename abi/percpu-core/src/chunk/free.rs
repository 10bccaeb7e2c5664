//! Freeing an area: refused unless an area starts exactly there (F3, F4), and the hints afterwards (3.6).

use super::{
    Area, BLOCK_BITS, Chunk, FreeError, FreeRule, Hints, MIN_AREA_SIZE, area_of,
    bits::{self, Run},
    word,
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
        let Some(start) = self.start_at(offset) else {
            return Err(self.free_error(offset));
        };
        let run = match word::next_one_behind(self.storage.bounds, start) {
            Some(behind) => self.free_in_word(Run::new(start, behind)),
            None => self.free_long(start),
        };
        self.areas -= 1;
        self.free_bits += run.len();
        Ok(area_of(run))
    }

    /// The bit at this offset, if an area starts there.
    #[inline(always)]
    fn start_at(&self, offset: usize) -> Option<u32> {
        let (own, bit) = (
            self.head_bits..self.bits() - self.tail_bits,
            offset / MIN_AREA_SIZE,
        );
        let start = bit as u32;
        let is_own = offset.is_multiple_of(MIN_AREA_SIZE) && bit <= u32::MAX as usize && own.contains(&start);
        (is_own && word::is_set_in_both(self.storage.areas, self.storage.bounds, start)).then_some(start)
    }

    /// An area that lies in one word of the map, as most do.
    #[inline(always)]
    fn free_in_word(&mut self, run: Run) -> Run {
        let word = word::clear(self.storage.areas, run);
        let index = run.start / BLOCK_BITS;
        let (base, known) = (
            index * BLOCK_BITS,
            self.storage.blocks[index as usize].contig_run(),
        );
        let start = match word.behind_last_one(run.start) {
            _ if run.start == base + known.end => base + known.start,
            Some(start) => start,
            None => self.start_of_free(index, run.start),
        };
        let end = match word.next_one(run.end) {
            _ if run.end == base + known.start => base + known.end,
            Some(end) => end,
            None => self.end_of_free(index, run.end),
        };
        self.update_hints_after_free(run, index, index, Run::new(start, end));
        run
    }

    #[inline(never)]
    fn free_long(&mut self, start: u32) -> Run {
        let behind = bits::next_one(self.storage.bounds, Run::new(start + 1, self.bits()));
        let run = Run::new(start, behind);
        bits::clear(self.storage.areas, run);
        let (first, last) = (start / BLOCK_BITS, (behind - 1) / BLOCK_BITS);
        let free = Run::new(self.start_of_free(first, start), self.end_of_free(last, behind));
        self.update_hints_after_free(run, first, last, free);
        run
    }

    /// Why no area of this chunk starts at this offset.
    #[cold]
    fn free_error(&self, offset: usize) -> FreeError {
        if !offset.is_multiple_of(MIN_AREA_SIZE) {
            return FreeError::Unaligned { offset };
        }
        let end = self.bits();
        let start = match u32::try_from(offset / MIN_AREA_SIZE) {
            Ok(start) if start < end => start,
            _ => return FreeError::OutOfRange { offset },
        };
        if start < self.head_bits || start >= end - self.tail_bits {
            FreeError::Hidden { offset }
        } else if !bits::is_set(self.storage.areas, start) {
            FreeError::NotTaken { offset }
        } else {
            FreeError::Interior { offset }
        }
    }

    #[inline(always)]
    fn update_hints_after_free(&mut self, run: Run, first: u32, last: u32, free: Run) {
        if first != last || free.len() == BLOCK_BITS {
            self.hints.first_free = self.hints.first_free.min(run.start);
            self.update_blocks_after_free(first, last, free);
            self.rebuild_chunk(false);
            return;
        }
        let base = first * BLOCK_BITS;
        self.storage.blocks[first as usize].offer(Run::new(free.start - base, free.end - base));
        // With Linux's rule the offered run has no positive length in any block but the first, so that
        // only `first_free` can change (Z1).
        if self.rule == FreeRule::Corrected || first == 0 {
            self.hints.offer_inner(free);
        } else {
            self.hints.first_free = self.hints.first_free.min(free.start);
        }
    }

    /// What became free fills a block or goes from one to another.
    #[inline(never)]
    fn update_blocks_after_free(&mut self, first: u32, last: u32, free: Run) {
        let (start, end) = (free.start - first * BLOCK_BITS, free.end - last * BLOCK_BITS);
        if first == last {
            self.offer_to_block(first, Run::new(start, end));
            return;
        }
        self.offer_to_block(first, Run::new(start, BLOCK_BITS));
        self.offer_to_block(last, Run::new(0, end));
        self.storage.blocks[first as usize + 1..last as usize].fill(Hints::all_free(BLOCK_BITS));
        self.empty_pages += (last - first - 1) as i32;
    }

    fn offer_to_block(&mut self, index: u32, run: Run) {
        self.storage.blocks[index as usize].offer(run);
        self.empty_pages += i32::from(run.len() == BLOCK_BITS);
    }

    /// Where the free run starts that an area starts in which is free now. The block's hint saves looking.
    #[inline]
    fn start_of_free(&self, block: u32, start: u32) -> u32 {
        let (known, base) = (
            self.storage.blocks[block as usize].contig_run(),
            block * BLOCK_BITS,
        );
        if start == base + known.end {
            base + known.start
        } else {
            bits::behind_last_one(self.storage.areas, Run::new(base, start))
        }
    }

    /// Where the free run ends that an area ends in which is free now.
    #[inline]
    fn end_of_free(&self, block: u32, end: u32) -> u32 {
        let (known, base) = (
            self.storage.blocks[block as usize].contig_run(),
            block * BLOCK_BITS,
        );
        if end == base + known.start {
            base + known.end
        } else {
            bits::next_one(self.storage.areas, Run::new(end, base + BLOCK_BITS))
        }
    }
}
