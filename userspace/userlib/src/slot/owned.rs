//! The owner word of a slot, and the value that it stands for.

use core::fmt;
use core::ops::{Deref, DerefMut};

use crate::atomic::{AtomicU32, Ordering, UnsafeCell, constant};

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
    constant! {
        /// A value that nobody has taken.
        pub fn new(value: T) -> Self {
            Owned {
                is_taken: AtomicU32::new(0),
                value: UnsafeCell::new(value),
            }
        }
    }
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

/// A slot that is this thread's until this is dropped, on whatever CPU that happens.
#[derive(Debug)]
#[must_use = "the slot is given back at once"]
pub struct Taken<'s, T>(&'s Owned<T>);

// SAFETY: gives out `&T`; taking and giving back need no particular thread.
unsafe impl<T: Sync> Sync for Taken<'_, T> {}

impl<'s, T> Taken<'s, T> {
    /// Takes a slot.
    #[inline]
    pub(crate) fn new(slot: &'s Owned<T>) -> Result<Self, Busy> {
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
