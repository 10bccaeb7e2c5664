//! An end that was arranged for: at the n-th kernel call of a process from now, before or after it. For tests of
//! those who have to bear such ends.

use abi::syscall::Moment;

use crate::atomic::{AtomicU64, Ordering, constant};

/// Calls that are left, with the moment in the lowest bit; 0 when nothing was arranged.
#[derive(Debug)]
pub struct Doom(AtomicU64);

/// Most calls ahead.
pub const MOST_CALLS: u64 = u64::MAX >> 1;

impl Doom {
    constant! {
        /// Nothing was arranged.
        #[inline]
        pub fn none() -> Doom {
            Doom(AtomicU64::new(0))
        }
    }

    /// Arranges for the end at so many calls from now, the next one being 1; 0 takes it back.
    #[inline]
    pub fn arrange(&self, calls: u64, moment: Moment) {
        let word = match calls {
            0 => 0,
            calls => calls << 1 | moment as u64,
        };
        self.0.store(word, Ordering::SeqCst);
    }

    /// Whether calls are counted.
    #[inline]
    #[must_use]
    pub fn is_arranged(&self) -> bool {
        self.0.load(Ordering::SeqCst) != 0
    }

    /// Counts a call. The moment, when this is the one.
    #[inline]
    #[must_use]
    pub fn strike(&self) -> Option<Moment> {
        if self.0.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let counted = |word: u64| match word >> 1 {
            0 => None,
            1 => Some(0),
            _ => Some(word - 2),
        };
        let before = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, counted);
        let last = before.ok().filter(|word| word >> 1 == 1)?;
        Moment::from_word(last & 1)
    }
}
