//! Bits in 64-bit words, a word at a time: what the area map is searched and marked with.
//!
//! Knows runs and words only. The caller keeps runs within the words; an empty run is always allowed.
//! Most answers lie in the first word that is looked at, and [`word`](super::word) has what is said of one
//! word only.

pub(super) const WORD_BITS: u32 = u64::BITS;

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
}

/// The first bit of the run that is set, or the run's end.
#[inline]
pub(super) fn next_one(words: &[u64], run: Run) -> u32 {
    next::<0>(words, run)
}

/// The first bit of the run that is clear, or the run's end.
#[inline]
pub(super) fn next_zero(words: &[u64], run: Run) -> u32 {
    next::<{ u64::MAX }>(words, run)
}

/// The first bit of the run that is set once the words are flipped.
#[inline]
fn next<const FLIP: u64>(words: &[u64], run: Run) -> u32 {
    if run.start >= run.end {
        return run.end;
    }
    let word = (words[word_of(run.start)] ^ FLIP) >> (run.start % WORD_BITS);
    if word != 0 {
        (run.start + word.trailing_zeros()).min(run.end)
    } else {
        next_behind::<FLIP>(words, run)
    }
}

/// The same from the second word of the run on.
fn next_behind<const FLIP: u64>(words: &[u64], run: Run) -> u32 {
    let first = word_of(run.start) + 1;
    let within = &words[..word_of(run.end - 1) + 1];
    for (index, word) in within.iter().enumerate().skip(first) {
        let word = word ^ FLIP;
        if word != 0 {
            return (index as u32 * WORD_BITS + word.trailing_zeros()).min(run.end);
        }
    }
    run.end
}

/// The bit behind the last one of the run that is set, or the run's start.
#[inline]
pub(super) fn behind_last_one(words: &[u64], run: Run) -> u32 {
    if run.start >= run.end {
        return run.start;
    }
    let last = run.end - 1;
    let word = words[word_of(last)] << (WORD_BITS - 1 - last % WORD_BITS);
    if word != 0 {
        (run.end - word.leading_zeros()).max(run.start)
    } else {
        behind_last_one_before(words, run)
    }
}

/// The same up to the last word but one of the run.
fn behind_last_one_before(words: &[u64], run: Run) -> u32 {
    let first = word_of(run.start);
    let before = words[first..word_of(run.end - 1)].iter();
    match before.rev().position(|word| *word != 0) {
        None => run.start,
        Some(skipped) => {
            let index = word_of(run.end - 1) - 1 - skipped;
            let behind = (index as u32 + 1) * WORD_BITS - words[index].leading_zeros();
            behind.max(run.start)
        }
    }
}

/// Whether this bit is set.
#[inline]
pub(super) fn is_set(words: &[u64], bit: u32) -> bool {
    words[word_of(bit)] >> (bit % WORD_BITS) & 1 == 1
}

/// Sets one bit.
#[inline]
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

fn change(words: &mut [u64], run: Run, apply: impl Fn(&mut u64, u64)) {
    if run.start >= run.end {
        return;
    }
    let (first, last) = (word_of(run.start), word_of(run.end - 1));
    let low = u64::MAX << (run.start % WORD_BITS);
    let high = u64::MAX >> (WORD_BITS - 1 - (run.end - 1) % WORD_BITS);
    match &mut words[first..=last] {
        [word] => apply(word, low & high),
        [first, between @ .., last] => {
            apply(first, low);
            between.iter_mut().for_each(|word| apply(word, u64::MAX));
            apply(last, high);
        }
        [] => {}
    }
}

/// Marks a run as one area: taken in `areas`, and in `bounds` its start and the bit behind its end.
pub(super) fn mark_area(areas: &mut [u64], bounds: &mut [u64], run: Run) {
    set(areas, run);
    clear(bounds, run);
    set_one(bounds, run.start);
    set_one(bounds, run.end);
}

/// The word that a bit is in.
#[inline]
pub(super) const fn word_of(bit: u32) -> usize {
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
