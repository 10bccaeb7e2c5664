//! `PerCpuSlot<T>`: one `T` for each CPU, for one thread at a time.
//!
//! The thread that has taken a slot may be on another CPU when it gives it back. An unlocked instruction is atomic
//! only against its own CPU, and a compare-exchange writes even when it fails: it puts back what it has read, and
//! with that undoes what another CPU has written in between. So the owner word is taken by a *locked*
//! compare-exchange through its ordinary address, and no cell ever lies there.

use core::cell::UnsafeCell;
use core::fmt;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

use crate::cell::{Located, Offset};
use crate::machine;
use crate::shared::PerCpu;

/// An owner word and the value that it stands for, as they lie in a unit.
#[doc(hidden)]
#[derive(Debug)]
pub struct Owned<T> {
    is_taken: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the value is used by one thread at a time: whoever has turned the owner word from 0 to 1.
unsafe impl<T: Send> Sync for Owned<T> {}

impl<T> Owned<T> {
    /// A value that nobody has taken.
    pub const fn new(value: T) -> Self {
        Owned {
            is_taken: AtomicU32::new(0),
            value: UnsafeCell::new(value),
        }
    }
}

/// One value for each CPU, for one thread at a time: `&mut T`, or [`Busy`].
///
/// ```ignore
/// percpu! { static SCRATCH: PerCpuSlot<[u8; 256]> = [0; 256]; }
/// match SCRATCH.take() {
///     Ok(mut scratch) => scratch[0] = 1,   // until it is dropped
///     Err(busy) => …,                      // another thread of that CPU has it
/// }
/// ```
///
/// Taking and giving back are 11 instructions together, one of them a locked compare-exchange. The line of memory is
/// most likely this CPU's own, which makes the lock cheap; nobody waits for anybody.
#[derive(Debug)]
pub struct PerCpuSlot<T: Send, P: Located = Offset<'static>> {
    units: PerCpu<Owned<T>, P>,
}

/// Somebody has the slot: a thread of this CPU that was preempted, or one that has left it since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "another thread has this CPU's slot")
    }
}

impl core::error::Error for Busy {}

impl<T: Send, P: Located> PerCpuSlot<T, P> {
    /// For [`percpu!`](crate::percpu!) alone.
    ///
    /// # Safety
    /// In every unit an `Owned<T>` lies at the place, a copy of one constant.
    #[doc(hidden)]
    pub const unsafe fn of_static(place: P) -> Self {
        // SAFETY: the caller's obligation is the same.
        let units = unsafe { PerCpu::of_static(place) };
        PerCpuSlot { units }
    }

    /// The slot of the CPU that this thread was on a moment ago, for this thread alone until it is dropped.
    ///
    /// # Errors
    /// [`Busy`].
    #[inline]
    pub fn take(&self) -> Result<Taken<'_, T>, Busy> {
        Taken::new(self.units.this_cpu())
    }

    /// The first free slot of all, this CPU's first.
    ///
    /// # Errors
    /// [`Busy`] when each was taken at the moment when it was tried.
    pub fn take_any(&self) -> Result<Taken<'_, T>, Busy> {
        let cpus = 0..machine::possible_cpus();
        let others = cpus.filter_map(|cpu| Taken::new(self.units.on(cpu)?).ok());
        self.take().or_else(|busy| { others }.next().ok_or(busy))
    }

    /// The slot of one CPU. `None` for one that is not possible.
    ///
    /// # Errors
    /// [`Busy`].
    pub fn take_on(&self, cpu: usize) -> Option<Result<Taken<'_, T>, Busy>> {
        self.units.on(cpu).map(Taken::new)
    }
}

/// A slot that is this thread's until this is dropped, on whatever CPU that happens.
#[derive(Debug)]
#[must_use = "the slot is given back at once"]
pub struct Taken<'s, T>(&'s Owned<T>);

// SAFETY: gives out `&T`; taking and giving back need no particular thread.
unsafe impl<T: Sync> Sync for Taken<'_, T> {}

impl<'s, T> Taken<'s, T> {
    #[inline]
    fn new(slot: &'s Owned<T>) -> Result<Self, Busy> {
        let taken = slot
            .is_taken
            .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed);
        taken.map(|_| Taken(slot)).map_err(|_| Busy)
    }
}

impl<T> Deref for Taken<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the owner word is ours.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Taken<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the owner word is ours, and so is `self`.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Taken<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.is_taken.store(0, Ordering::Release);
    }
}
