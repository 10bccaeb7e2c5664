//! Where an area may fit, by hints alone (3.4). No bit of the area map is looked at here.

use super::{AreaNeed, BLOCK_BITS, Chunk, Reach, bits::Run};

impl Chunk<'_> {
    /// The bit at which a search for a fit is to start. Terminates: behind a hole is behind the
    /// candidate's first page.
    #[inline]
    pub(super) fn find(&self, need: AreaNeed, reach: Reach) -> Option<u32> {
        let (bits, align) = (need.bits(), need.align_bits());
        if self.hints.lead(align) + bits > self.hints.contig {
            return None;
        }
        let from = self.hints.skip(bits);
        let (index, position) = (from / BLOCK_BITS, from % BLOCK_BITS);
        match (self.storage.blocks.get(index as usize), reach) {
            // Mostly the first block has room.
            (Some(block), Reach::AllPages) if block.has_room(bits, align, position) => {
                Some(index * BLOCK_BITS + block.skip(bits))
            }
            _ => self.find_from(need, reach, from),
        }
    }

    #[inline(never)]
    fn find_from(&self, need: AreaNeed, reach: Reach, mut from: u32) -> Option<u32> {
        loop {
            let candidate = self.candidate(need, from)?;
            match reach {
                Reach::AllPages => return Some(candidate.start),
                Reach::PopulatedPages => match self.behind_hole(candidate) {
                    Some(behind) => from = behind,
                    None => return Some(candidate.start),
                },
            }
        }
    }

    /// The next run from this bit on that may have room: of one block's longest run, or of adjoining
    /// edges of blocks, which are carried from block to block.
    fn candidate(&self, need: AreaNeed, from: u32) -> Option<Run> {
        let (bits, align) = (need.bits(), need.align_bits());
        let mut carried = Run::new(from, from);
        let mut position = from % BLOCK_BITS;
        for index in from / BLOCK_BITS..self.pages {
            let (block, base) = (&self.storage.blocks[index as usize], index * BLOCK_BITS);
            if carried.len() != 0 {
                carried.end += block.left_free;
                if carried.len() >= bits {
                    return Some(carried);
                }
                if block.left_free == BLOCK_BITS {
                    continue;
                }
            }
            if block.has_room(bits, align, position) {
                let behind = block.contig_start + block.lead(align) + bits;
                return Some(Run::new(base + block.skip(bits), base + behind));
            }
            position = 0;
            let edge = (BLOCK_BITS - block.right_free).next_multiple_of(align);
            carried = Run::new(base + edge, base + BLOCK_BITS);
            if carried.len() >= bits {
                return Some(carried);
            }
        }
        None
    }
}
