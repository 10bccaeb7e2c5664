//! Rebuilding hints whose longest run was hit (3.3): a block's from the area map, the chunk's from its
//! blocks.

use super::{
    BLOCK_BITS, Chunk,
    bits::{self, Run},
};

impl Chunk<'_> {
    /// Finds the longest run of a block again.
    #[inline(never)]
    pub(super) fn rebuild_block(&mut self, index: u32) {
        let block = &mut self.storage.blocks[index as usize];
        let words = super::storage::block_words(self.storage.areas, index);
        let from = block.restart(true);
        block.right_free = 0;
        for run in bits::clear_runs(words, Run::new(from, BLOCK_BITS)) {
            block.offer(run);
        }
    }

    /// Finds the chunk's longest run again from what the blocks know: at most the longest run and the
    /// edges of each.
    #[inline(never)]
    pub(super) fn rebuild_chunk(&mut self, may_promote: bool) {
        let mut from = self.hints.restart(may_promote);
        while let Some(run) = self.next_known_run(from) {
            self.hints.offer_inner(run);
            from = run.end + 1;
        }
    }

    /// The next run that the blocks know of. Edges that adjoin are carried from block to block.
    fn next_known_run(&self, from: u32) -> Option<Run> {
        let mut position = from % BLOCK_BITS;
        let mut carried = Run::new(from, from);
        for index in from / BLOCK_BITS..self.pages {
            let (block, base) = (&self.storage.blocks[index as usize], index * BLOCK_BITS);
            if carried.len() != 0 {
                carried.end += block.left_free;
                if block.left_free == BLOCK_BITS {
                    continue;
                }
                return Some(carried);
            }
            let run = block.contig_run();
            if block.contig != 0 && run.start >= position && run.end < BLOCK_BITS {
                return Some(Run::new(base + run.start, base + run.end));
            }
            position = 0;
            carried = Run::new(base + BLOCK_BITS - block.right_free, base + BLOCK_BITS);
        }
        (carried.len() != 0).then_some(carried)
    }
}
