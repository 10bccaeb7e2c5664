//! What is said of one word of a map: most areas are short and lie in one, with what is next to them.

use super::bits::{Run, WORD_BITS, set_one, word_of};

/// Whether a run is clear, if it lies in one word; `false` for a run in several.
#[inline(always)]
pub(super) fn is_clear(words: &[u64], run: Run) -> bool {
    let shift = run.start % WORD_BITS;
    shift + run.len() <= WORD_BITS && words[word_of(run.start)] & mask_of(run) == 0
}

/// Marks a run within one word as one area, as [`mark_area`](super::bits::mark_area) does.
#[inline(always)]
pub(super) fn mark_area(areas: &mut [u64], bounds: &mut [u64], run: Run) {
    let (index, mask) = (word_of(run.start), mask_of(run));
    areas[index] |= mask;
    bounds[index] = bounds[index] & !mask | 1 << (run.start % WORD_BITS);
    set_one(bounds, run.end);
}

/// Whether a bit is set in two maps.
#[inline(always)]
pub(super) fn is_set_in_both(first: &[u64], second: &[u64], bit: u32) -> bool {
    let index = word_of(bit);
    (first[index] & second[index]) >> (bit % WORD_BITS) & 1 == 1
}

/// The first bit behind this one that is set, if it is in the same word.
#[inline(always)]
pub(super) fn next_one_behind(words: &[u64], bit: u32) -> Option<u32> {
    let behind = words[word_of(bit)] >> (bit % WORD_BITS) >> 1;
    (behind != 0).then(|| bit + 1 + behind.trailing_zeros())
}

/// Clears a run within one word.
#[inline(always)]
pub(super) fn clear(words: &mut [u64], run: Run) -> Word {
    let index = word_of(run.start);
    let word = &mut words[index];
    *word &= !mask_of(run);
    Word {
        bits: *word,
        base: index as u32 * WORD_BITS,
    }
}

/// A word of a map, and which bit is its first.
#[derive(Clone, Copy)]
pub(super) struct Word {
    bits: u64,
    base: u32,
}

impl Word {
    /// The bit behind the last one before this one that is set.
    #[inline(always)]
    pub fn behind_last_one(self, before: u32) -> Option<u32> {
        let below = self.bits & ((1 << (before % WORD_BITS)) - 1);
        (below != 0).then(|| self.base + WORD_BITS - below.leading_zeros())
    }

    /// The first bit from this one on that is set.
    #[inline(always)]
    pub fn next_one(self, from: u32) -> Option<u32> {
        let above = self.bits >> (from % WORD_BITS);
        (above != 0).then(|| from + above.trailing_zeros())
    }
}

/// The bits of a run within one word. It has at least one.
#[inline(always)]
const fn mask_of(run: Run) -> u64 {
    (u64::MAX >> (WORD_BITS - run.len())) << (run.start % WORD_BITS)
}
