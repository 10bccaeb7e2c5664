//! `PerCpuRef`: a reference count that costs no lock as long as nobody wants to know it.
//!
//! Linux's `percpu_ref` (L3). While it lives, each CPU has a part of the count in a word of its own, and nobody looks
//! whether the sum is zero. To *kill* it is to go to every CPU and set the word's flag there, with one instruction:
//! from then on that word stays as it is, and who comes there counts in one atomic word for all, of which the end is
//! seen.

use core::fmt;

use abi::syscall::CpuMask;

use crate::atomic::{AtomicBool, AtomicI64, Ordering, constant};
use crate::cell::{Offset, PerCpuCell, Place};
use crate::{Refusal, thread, visit};

/// The flag of a word: it is not changed any more. The rest is a count that may be negative.
const DEAD: u64 = 1 << 63;

/// Part of the common count until the parts of all CPUs are added to it, so that it is not zero before.
const BIAS: i64 = 1 << 62;

/// A reference count in parts. It begins with one reference, the owner's, which [`kill`](Self::kill) gives up.
///
/// ```ignore
/// percpu! { static WORDS: PerCpuCell<u64> = 0; }
/// static USERS: PerCpuRef<WORDS> = PerCpuRef::over(WORDS);
/// if USERS.try_get_live() {
///     …
///     USERS.put();
/// }
/// USERS.kill(&CpuMask::ALL)?;   // no new users
/// USERS.drain();                // and no old ones
/// ```
///
/// | operation | instructions |
/// |---|---|
/// | `get`, `try_get`, `put`, alive | 12: `mov`, a check, `cmpxchg` without lock prefix |
/// | the same, killed | a locked instruction |
/// | `kill`, `reinit`, `resurrect` | a visit to each CPU, a system call for each that is off |
#[derive(Debug)]
pub struct PerCpuRef<P: Place<u64> = Offset<'static>> {
    words: PerCpuCell<u64, P>,
    common: AtomicI64,
    /// From the beginning of a kill until it lives again.
    is_killed: AtomicBool,
}

/// Why a reference count does not change between alive and killed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefError {
    /// Killed before.
    AlreadyKilled,
    /// Not killed, or not completely.
    NotKilled,
    /// Still in use, for `reinit`.
    InUse,
    /// Not in use any more, for `resurrect`.
    Drained,
    /// More references were put than got. Holds by how much.
    TooManyPuts(u64),
    /// The kernel refused to move the thread.
    Kernel(Refusal),
}

impl fmt::Display for RefError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RefError::AlreadyKilled => write!(f, "the reference count was killed before"),
            RefError::NotKilled => write!(f, "the reference count is alive"),
            RefError::InUse => write!(f, "there are references left"),
            RefError::Drained => write!(f, "there is no reference left"),
            RefError::TooManyPuts(many) => write!(f, "{many} references too many were put"),
            RefError::Kernel(refusal) => write!(f, "the kernel refused: {refusal}"),
        }
    }
}

impl core::error::Error for RefError {}

impl From<Refusal> for RefError {
    fn from(refusal: Refusal) -> RefError {
        RefError::Kernel(refusal)
    }
}

/// The part of a count in a word, flagged or not: 63 bits with a sign.
const fn part(word: u64) -> i64 {
    (word << 1) as i64 >> 1
}

impl<P: Place<u64>> PerCpuRef<P> {
    constant! {
        /// One reference, with a cell for the words that is 0 on every CPU and is used for nothing else.
        pub fn over(words: PerCpuCell<u64, P>) -> Self {
            PerCpuRef {
                words,
                common: AtomicI64::new(BIAS + 1),
                is_killed: AtomicBool::new(false),
            }
        }
    }

    /// Adds to this CPU's part, if it is alive. Whether it was.
    #[inline(always)]
    fn add_here(&self, amount: u64) -> bool {
        let mut word = self.words.get();
        loop {
            if word & DEAD != 0 {
                return false;
            }
            match self
                .words
                .compare_exchange(word, word.wrapping_add(amount) & !DEAD)
            {
                Ok(_) => return true,
                Err(found) => word = found,
            }
        }
    }

    /// One more reference, for somebody who has one.
    #[inline]
    pub fn get(&self) {
        if !self.add_here(1) {
            self.common.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A reference, if there is one left: also one that is killed, as long as somebody uses it. Whether.
    #[inline]
    pub fn try_get(&self) -> bool {
        let more = |count: i64| (count > 0).then(|| count + 1);
        self.add_here(1)
            || self
                .common
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
                .is_ok()
    }

    /// A reference, unless it is killed. Whether. While somebody kills it, CPUs may say different things.
    #[inline]
    pub fn try_get_live(&self) -> bool {
        self.add_here(1)
    }

    /// Gives a reference back. Whether it was the last: true once, and never while it lives.
    ///
    /// # Panics
    /// When it is killed, and there was no reference left.
    #[inline]
    pub fn put(&self) -> bool {
        !self.add_here(u64::MAX) && self.put_common()
    }

    #[cold]
    fn put_common(&self) -> bool {
        let left = self.common.fetch_sub(1, Ordering::AcqRel) - 1;
        assert!(left >= 0, "a reference was put that nobody had");
        left == 0
    }

    /// Kills it and gives the owner's reference up: no CPU grants a live reference any more when this returns.
    /// Whether that was the last one. The calling thread is bound to `home` afterwards.
    ///
    /// # Errors
    /// [`RefError::AlreadyKilled`], [`RefError::TooManyPuts`]. [`RefError::Kernel`] when the thread could not go to
    /// some CPU: then it stays half-killed, and references are counted as before, but the end is never seen.
    pub fn kill(&self, home: &CpuMask) -> Result<bool, RefError> {
        if self.is_killed.swap(true, Ordering::AcqRel) {
            return Err(RefError::AlreadyKilled);
        }
        // A CPU that is off must not grant live references either when it is back.
        let parked = |cpu| self.change_parked(cpu, |word| word | DEAD);
        visit::every_unit(home, |_| self.words.or(DEAD), parked)?;
        // The words stay as they are now.
        let parts: i64 = self.words.iter().map(part).sum();
        let change = parts - BIAS - 1;
        let left = self.common.fetch_add(change, Ordering::AcqRel) + change;
        match left {
            ..0 => Err(RefError::TooManyPuts(left.unsigned_abs())),
            left => Ok(left == 0),
        }
    }

    /// Whether it is killed and nobody has a reference.
    pub fn is_zero(&self) -> bool {
        self.is_killed.load(Ordering::Acquire) && self.common.load(Ordering::Acquire) == 0
    }

    /// Waits until nobody has a reference, and lets other threads run meanwhile.
    ///
    /// # Errors
    /// [`RefError::NotKilled`], since that may never be.
    pub fn drain(&self) -> Result<(), RefError> {
        if !self.is_killed.load(Ordering::Acquire) {
            return Err(RefError::NotKilled);
        }
        while !self.is_zero() {
            thread::yield_now();
        }
        Ok(())
    }

    /// Makes it live again, with one reference, when it is killed and drained. The calling thread is bound to `home`
    /// afterwards.
    ///
    /// # Errors
    /// [`RefError::NotKilled`], [`RefError::InUse`], [`RefError::Kernel`].
    pub fn reinit(&self, home: &CpuMask) -> Result<(), RefError> {
        self.revive(home, |left| left == 0, RefError::InUse)
    }

    /// Makes it live again, with one reference more, when it is killed and not drained. The calling thread is bound
    /// to `home` afterwards.
    ///
    /// # Errors
    /// [`RefError::NotKilled`], [`RefError::Drained`], [`RefError::Kernel`].
    pub fn resurrect(&self, home: &CpuMask) -> Result<(), RefError> {
        self.revive(home, |left| left > 0, RefError::Drained)
    }

    fn revive(&self, home: &CpuMask, may: impl Fn(i64) -> bool, refusal: RefError) -> Result<(), RefError> {
        // With the bias in it, a kill is not complete.
        let is_whole = |left: i64| left < BIAS / 2;
        if !self.is_killed.load(Ordering::Acquire) || !is_whole(self.common.load(Ordering::Acquire)) {
            return Err(RefError::NotKilled);
        }
        let biased = |left| (is_whole(left) && may(left)).then(|| left + BIAS + 1);
        let changed = self
            .common
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, biased);
        changed.map_err(|_| refusal)?;
        let revived = |word: u64| if word & DEAD != 0 { 0 } else { word };
        let parked = |cpu| self.change_parked(cpu, revived);
        visit::every_unit(home, |_| self.revive_here(), parked)?;
        self.is_killed.store(false, Ordering::Release);
        Ok(())
    }

    /// Nothing to be done where it lives again and is counted already.
    fn revive_here(&self) {
        let mut word = self.words.get();
        while word & DEAD != 0 {
            match self.words.compare_exchange(word, 0) {
                Ok(_) => return,
                Err(found) => word = found,
            }
        }
    }

    /// Changes the word of a CPU that is off.
    fn change_parked(&self, cpu: usize, change: impl Fn(u64) -> u64) -> Result<(), Refusal> {
        let mut word = self.words.on(cpu).unwrap_or(DEAD);
        // It may have run in between, and have gone again.
        while let Err(found) = self.words.exchange_parked(cpu, word, change(word))? {
            word = found;
        }
        Ok(())
    }
}
