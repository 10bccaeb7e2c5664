//! `PerCpuCounter`: one number that all CPUs add to, without a lock most of the time.
//!
//! Linux's `percpu_counter` (L1, L2): a count for all, and a small *delta* for each CPU. An addition changes the
//! delta; when that would reach the *batch*, it is folded into the count, under a lock. So the count alone is at most
//! a batch for each CPU away from the truth, and count and deltas together are the truth.

use core::cmp::Ordering;

use abi::syscall::CpuMask;

use crate::allocator::Area;
use crate::atomic::{AtomicI64, Ordering::Relaxed, TURNS_BEFORE_GIVING_UP, constant};
use crate::cell::{Offset, PerCpuCell, Place};
use crate::sync::Mutex;
use crate::{Refusal, machine, visit};

/// The smallest batch of those that follow the number of CPUs.
const SMALLEST_BATCH: u32 = 32;

/// A number that all CPUs add to. Signed, 64 bits, wrapping around.
///
/// ```ignore
/// percpu! { static DELTAS: PerCpuCell<i32> = 0; }
/// static BYTES: PerCpuCounter<DELTAS> = PerCpuCounter::over(DELTAS);
/// BYTES.add(1500);
/// ```
///
/// | operation | instructions |
/// |---|---|
/// | `add` below the batch | 18: `mov`, a check, `cmpxchg` without lock prefix |
/// | `add` that folds, `limited_add` | a lock, below 50 |
/// | `read` | 2 |
/// | `sum`, `set`, `compare` when it is close | a lock, and a line of another CPU's memory for each CPU |
/// | `sync` | a visit to each CPU |
///
/// The units of CPUs that are off stay, and count. [`fold_parked`](Self::fold_parked) moves such a CPU's delta to the
/// count, for who is told that it has gone.
#[derive(Debug)]
pub struct PerCpuCounter<P: Place<u32> = Offset<'static>> {
    count: AtomicI64,
    /// Held by whoever moves something from a delta to the count, or wants that nobody does.
    folding: Mutex<()>,
    deltas: PerCpuCell<i32, P>,
    /// 0 for the one that follows the number of CPUs.
    batch: u32,
}

impl<P: Place<u32>> PerCpuCounter<P> {
    constant! {
        /// A counter at 0, with a cell for its deltas that is 0 on every CPU and is used for nothing else. Its batch is
        /// twice the number of CPUs online, but at least 32.
        pub fn over(deltas: PerCpuCell<i32, P>) -> Self {
            PerCpuCounter::with_batch(deltas, 0)
        }
    }

    constant! {
        /// The same with a batch of its own: from 1, with which every addition folds, to `i32::MAX` (and what is above),
        /// with which hardly any does.
        pub fn with_batch(deltas: PerCpuCell<i32, P>, batch: u32) -> Self {
            PerCpuCounter {
                count: AtomicI64::new(0),
                folding: Mutex::new(()),
                deltas,
                batch,
            }
        }
    }

    fn batch(&self) -> u64 {
        match self.batch {
            0 => (2 * machine::online_cpus() as u64).max(u64::from(SMALLEST_BATCH)),
            batch => u64::from(batch).min(i32::MAX as u64),
        }
    }

    /// How far [`read`](Self::read) can be from the truth: less than a batch for each CPU, the largest that there can
    /// have been. Fewer CPUs online make a smaller one, but leave deltas as they are.
    pub fn error(&self) -> u64 {
        let cpus = machine::possible_cpus() as u64;
        let largest = match self.batch {
            0 => (2 * cpus).max(u64::from(SMALLEST_BATCH)),
            _ => self.batch(),
        };
        largest * cpus
    }

    /// Adds.
    #[inline]
    pub fn add(&self, amount: i64) {
        let batch = self.batch();
        loop {
            let delta = self.deltas.get();
            let new = i64::from(delta).saturating_add(amount);
            if new.unsigned_abs() >= batch {
                return self.fold(amount);
            }
            if self.deltas.compare_exchange(delta, new as i32).is_ok() {
                return;
            }
        }
    }

    /// Moves this CPU's delta to the count, and adds to that.
    #[cold]
    fn fold(&self, amount: i64) {
        let _folding = self.folding.lock();
        let mut delta = self.deltas.get();
        while let Err(found) = self.deltas.compare_exchange(delta, 0) {
            delta = found;
        }
        self.count
            .fetch_add(amount.wrapping_add(i64::from(delta)), Relaxed);
    }

    /// The count without the deltas: less than [`error`](Self::error) from the truth.
    #[inline]
    pub fn read(&self) -> i64 {
        self.count.load(Relaxed)
    }

    /// The count and all deltas: the truth, if nobody adds meanwhile; else each delta is as it was at some moment of
    /// the call, and none is counted twice or not at all.
    pub fn sum(&self) -> i64 {
        let _folding = self.folding.lock();
        self.whole()
    }

    /// The sum, by the holder of the lock.
    fn whole(&self) -> i64 {
        let deltas = self.deltas.iter().map(i64::from);
        deltas.fold(self.read(), i64::wrapping_add)
    }

    /// Compares with a number: with the count if that is far enough away to be sure, else with the sum.
    pub fn compare(&self, other: i64) -> Ordering {
        let count = self.read();
        match count.abs_diff(other) > self.error() {
            true => count.cmp(&other),
            false => self.sum().cmp(&other),
        }
    }

    /// Adds if the sum is not beyond the limit afterwards: not above it when `amount` is positive, not below it when
    /// it is negative. Whether it did.
    ///
    /// Never beyond, whoever else adds in this way at the same time, and whoever takes back what was added so by
    /// [`add`](Self::add). Such an addition goes to the count itself, and so takes the lock.
    pub fn limited_add(&self, limit: i64, amount: i64) -> bool {
        let _folding = self.folding.lock();
        let (amount_wide, limit) = (i128::from(amount), i128::from(limit));
        let is_within = |sum: i64, error: u64| {
            let (sum, error) = (i128::from(sum) + amount_wide, i128::from(error));
            match amount.signum() {
                1 => sum + error <= limit,
                -1 => sum - error >= limit,
                _ => true,
            }
        };
        let fits = is_within(self.read(), self.error()) || is_within(self.whole(), 0);
        if fits {
            self.count.fetch_add(amount, Relaxed);
        }
        fits
    }

    /// Sets the sum. Additions at the same time come before or after it.
    pub fn set(&self, value: i64) {
        let _folding = self.folding.lock();
        let deltas = self.whole().wrapping_sub(self.read());
        self.count.store(value.wrapping_sub(deltas), Relaxed);
    }

    /// Moves the delta of a CPU that is off to the count: the sum is the same, and [`read`](Self::read) is nearer. Whether it
    /// did: not if somebody has the lock all the time, as a thread has that was folding when its CPU went, and is bound to
    /// it. `add` above the batch, `sum` and whatever else takes the lock waits for that CPU then.
    ///
    /// # Errors
    /// `AlreadyOnline` when the CPU runs, and folds for itself; the kernel's other refusals.
    pub fn fold_parked(&self, cpu: usize) -> Result<bool, Refusal> {
        let Some(_folding) = self.folding.lock_within(TURNS_BEFORE_GIVING_UP) else {
            return Ok(false);
        };
        let mut delta = self.deltas.on(cpu).unwrap_or(0);
        // It may have run in between, and have gone again.
        while let Err(found) = self.deltas.exchange_parked(cpu, delta, 0)? {
            delta = found;
        }
        self.count.fetch_add(i64::from(delta), Relaxed);
        Ok(true)
    }

    /// Moves all deltas to the count, by visiting every CPU that is online; the calling thread is bound to `home`
    /// afterwards.
    ///
    /// # Errors
    /// The kernel's refusal to move the thread; some deltas may be moved then. The sum is the same.
    pub fn sync(&self, home: &CpuMask) -> Result<(), Refusal> {
        visit::every_unit(
            home,
            |_| self.fold(0),
            |cpu| {
                while !self.fold_parked(cpu)? {}
                Ok(())
            },
        )
    }
}

impl<'r> PerCpuCounter<Offset<'r>> {
    /// Bytes of an area for so many counters.
    #[must_use]
    pub const fn bytes(counters: usize) -> usize {
        counters * size_of::<i32>()
    }

    /// Many counters at 0, with one area for the deltas of all. `None` if it is too small for them. The area is new:
    /// all zero, and used for nothing else.
    #[must_use]
    pub fn many<const N: usize>(area: &'r Area<'_>) -> Option<[Self; N]> {
        let cell = |index| area.cell::<i32>(Self::bytes(index));
        // The last one is inside, so all are.
        N.checked_sub(1).map_or(Some(()), |last| cell(last).map(drop))?;
        Some(core::array::from_fn(|index| {
            PerCpuCounter::over(cell(index).expect("the last cell is inside the area"))
        }))
    }
}
