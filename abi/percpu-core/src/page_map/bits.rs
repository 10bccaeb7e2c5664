//! Bits in 64-bit words: set a range, find the first or last one or zero in a range.
//!
//! Word by word, never bit by bit. Ranges are checked by the caller; a range that goes behind the words
//! is cut off there rather than answered with a panic.

use super::PageRange;

/// Bits of one word.
pub(super) const WORD_BITS: usize = 64;

/// Bits in lent words.
#[derive(Clone, Debug)]
pub(super) struct Bits<S>(S);

impl<S: AsRef<[u64]> + AsMut<[u64]>> Bits<S> {
    pub fn cleared(mut storage: S) -> Self {
        storage.as_mut().fill(0);
        Self(storage)
    }

    pub fn set(&mut self, range: PageRange, to: bool) {
        for (index, mask) in masks(range) {
            let Some(word) = self.0.as_mut().get_mut(index) else {
                return;
            };
            *word = if to { *word | mask } else { *word & !mask };
        }
    }

    pub fn first_one(&self, range: PageRange) -> Option<usize> {
        masks(range).find_map(|(index, mask)| first_in(index, self.word(index)? & mask))
    }

    pub fn first_zero(&self, range: PageRange) -> Option<usize> {
        masks(range).find_map(|(index, mask)| first_in(index, !self.word(index)? & mask))
    }

    pub fn last_one(&self, range: PageRange) -> Option<usize> {
        masks(range).rev().find_map(|(index, mask)| {
            let highest = (self.word(index)? & mask).checked_ilog2()?;
            Some(index * WORD_BITS + highest as usize)
        })
    }

    fn word(&self, index: usize) -> Option<u64> {
        self.0.as_ref().get(index).copied()
    }
}

fn first_in(index: usize, word: u64) -> Option<usize> {
    (word != 0).then(|| index * WORD_BITS + word.trailing_zeros() as usize)
}

/// The words that a range touches, and which bits of each. Nothing for an empty range.
fn masks(range: PageRange) -> impl DoubleEndedIterator<Item = (usize, u64)> {
    let end = range.first.saturating_add(range.count);
    let (first_word, end_word) = (range.first / WORD_BITS, end.div_ceil(WORD_BITS));
    let words = if range.count == 0 {
        0..0
    } else {
        first_word..end_word
    };
    words.map(move |index| {
        let low = range.first.saturating_sub(index * WORD_BITS);
        let high = (end - index * WORD_BITS).min(WORD_BITS);
        (index, (u64::MAX << low) & (u64::MAX >> (WORD_BITS - high)))
    })
}
