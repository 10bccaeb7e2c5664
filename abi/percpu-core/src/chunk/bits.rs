//! Bits in 64-bit words, a word at a time: what the area map is searched and marked with.
//!
//! Knows runs and words only. The caller keeps runs within the words; an empty run is always allowed.

const WORD_BITS: u32 = u64::BITS;

/// The bits from `start` up to, not including, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub start: u32,
    pub end: u32,
}

impl Run {
    pub const fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    pub const fn len(self) -> u32 {
        self.end - self.start
    }

    /// A run of no bits overlaps nothing.
    pub const fn overlaps(self, other: Self) -> bool {
        self.start < self.end && self.start < other.end && other.start < self.end
    }
}

/// The first bit of the run that is set, or the run's end.
pub(super) fn next_one(words: &[u64], run: Run) -> u32 {
    next(words, 0, run)
}

/// The first bit of the run that is clear, or the run's end.
pub(super) fn next_zero(words: &[u64], run: Run) -> u32 {
    next(words, u64::MAX, run)
}

/// The bit behind the last one of the run that is set, or the run's start.
pub(super) fn behind_last_one(words: &[u64], run: Run) -> u32 {
    if run.start >= run.end {
        return run.start;
    }
    let first = word_of(run.start);
    let mut index = word_of(run.end - 1);
    let mut word = words[index] & (u64::MAX >> (WORD_BITS - 1 - (run.end - 1) % WORD_BITS));
    while word == 0 {
        if index == first {
            return run.start;
        }
        index -= 1;
        word = words[index];
    }
    (index as u32 * WORD_BITS + WORD_BITS - word.leading_zeros()).max(run.start)
}

/// Whether this bit is set.
pub(super) fn is_set(words: &[u64], bit: u32) -> bool {
    words[word_of(bit)] >> (bit % WORD_BITS) & 1 == 1
}

/// Sets one bit.
pub(super) fn set_one(words: &mut [u64], bit: u32) {
    words[word_of(bit)] |= 1 << (bit % WORD_BITS);
}

/// Sets every bit of the run.
pub(super) fn set(words: &mut [u64], run: Run) {
    change(words, run, |word, mask| *word |= mask);
}

/// Clears every bit of the run.
pub(super) fn clear(words: &mut [u64], run: Run) {
    change(words, run, |word, mask| *word &= !mask);
}

fn next(words: &[u64], flip: u64, run: Run) -> u32 {
    if run.start >= run.end {
        return run.end;
    }
    let last = word_of(run.end - 1);
    let mut index = word_of(run.start);
    let mut word = (words[index] ^ flip) & (u64::MAX << (run.start % WORD_BITS));
    while word == 0 {
        if index == last {
            return run.end;
        }
        index += 1;
        word = words[index] ^ flip;
    }
    (index as u32 * WORD_BITS + word.trailing_zeros()).min(run.end)
}

fn change(words: &mut [u64], run: Run, apply: impl Fn(&mut u64, u64)) {
    if run.start >= run.end {
        return;
    }
    let (first, last) = (word_of(run.start), word_of(run.end - 1));
    let low = u64::MAX << (run.start % WORD_BITS);
    let high = u64::MAX >> (WORD_BITS - 1 - (run.end - 1) % WORD_BITS);
    if first == last {
        apply(&mut words[first], low & high);
        return;
    }
    apply(&mut words[first], low);
    for word in &mut words[first + 1..last] {
        apply(word, u64::MAX);
    }
    apply(&mut words[last], high);
}

const fn word_of(bit: u32) -> usize {
    (bit / WORD_BITS) as usize
}

/// The maximal runs of clear bits within a run, ascending.
pub(super) fn clear_runs(words: &[u64], within: Run) -> impl Iterator<Item = Run> + '_ {
    let mut from = within.start;
    core::iter::from_fn(move || {
        let start = next_zero(words, Run::new(from, within.end));
        from = next_one(words, Run::new(start, within.end));
        (start < within.end).then(|| Run::new(start, from))
    })
}
