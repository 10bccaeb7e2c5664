//! `verify`: all records of a chunk against its two bitmaps, bit by bit. For tests and for suspicion.

use super::{
    BLOCK_BITS, Chunk, Damage, Hints,
    bits::{self, Run},
};

impl Chunk<'_> {
    /// Checks every record: free bytes, boundaries, populated and empty pages, hidden edges; that no hint
    /// is too big (K4), that hints are ordered (K5), and that a free page is known as such. Takes time
    /// in proportion to the chunk.
    ///
    /// # Errors
    ///
    /// The first [`Damage`] found.
    pub fn verify(&self) -> Result<(), Damage> {
        let all = Run::new(0, self.bits());
        let free: u32 = self.free_runs().map(Run::len).sum();
        ensure(free == self.free_bits, Damage::FreeBytes)?;
        self.verify_areas()?;
        for (index, hints) in self.block_hints().iter().enumerate() {
            let words = self.block_map(index as u32);
            let is_right = is_honest(hints, words, BLOCK_BITS) && are_edges_honest(hints, words);
            let is_free = bits::next_one(words, Run::new(0, BLOCK_BITS)) == BLOCK_BITS;
            let is_full = bits::next_zero(words, Run::new(0, BLOCK_BITS)) == BLOCK_BITS;
            ensure(
                is_right && is_free == hints.is_all_free() && is_full == (hints.contig == 0),
                Damage::BlockHints { block: index },
            )?;
        }
        ensure(
            is_honest(&self.hints, self.storage.areas, all.end),
            Damage::ChunkHints,
        )?;
        self.verify_pages()
    }

    fn verify_areas(&self) -> Result<(), Damage> {
        let (areas, bounds) = (&*self.storage.areas, &*self.storage.bounds);
        let bits = self.bits();
        let is_edge = |bit| bits::is_set(bounds, bit);
        let edges_are_marked = self
            .free_runs()
            .all(|run| (run.start == 0 || is_edge(run.start)) && (run.end == bits || is_edge(run.end)));
        let starts = areas
            .iter()
            .zip(bounds)
            .map(|(area, bound)| (area & bound).count_ones());
        let hidden = u32::from(self.head_bits != 0) + u32::from(self.tail_bits != 0);
        ensure(
            edges_are_marked && starts.sum::<u32>() == self.areas + hidden,
            Damage::Areas,
        )?;
        let is_taken = |run: Run| bits::next_zero(areas, run) == run.end;
        let (head, tail) = (Run::new(0, self.head_bits), Run::new(bits - self.tail_bits, bits));
        ensure(is_taken(head) && is_taken(tail), Damage::Hidden)
    }

    fn verify_pages(&self) -> Result<(), Damage> {
        let populated: u32 = self.storage.populated.iter().map(|word| word.count_ones()).sum();
        ensure(populated == self.populated_pages, Damage::PopulatedPages)?;
        let in_use = self.block_hints().iter().filter(|hints| !hints.is_all_free());
        let empty = populated as i32 - in_use.count() as i32;
        ensure(empty == self.empty_pages, Damage::EmptyPages)
    }
}

fn ensure(holds: bool, damage: Damage) -> Result<(), Damage> {
    if holds { Ok(()) } else { Err(damage) }
}

/// Both runs are free, the longer one is the contig run, and nothing before `first_free` is free.
fn is_honest(hints: &Hints, words: &[u64], bits: u32) -> bool {
    let is_free = |run: Run| run.end <= bits && (run.len() == 0 || bits::next_one(words, run) == run.end);
    let is_ordered = hints.scan <= hints.contig
        && (hints.scan == 0 || hints.scan_start <= hints.contig_start || hints.scan == hints.contig);
    let first_free = bits::next_zero(words, Run::new(0, bits));
    hints.bits == bits
        && is_ordered
        && (hints.contig == 0 || is_free(hints.contig_run()))
        && (hints.scan == 0 || is_free(Run::new(hints.scan_start, hints.scan_start + hints.scan)))
        && (hints.first_free <= first_free || first_free == bits)
}

fn are_edges_honest(hints: &Hints, words: &[u64]) -> bool {
    let left = bits::next_one(words, Run::new(0, BLOCK_BITS));
    let right = BLOCK_BITS - bits::behind_last_one(words, Run::new(0, BLOCK_BITS));
    hints.left_free <= left && hints.right_free <= right
}
