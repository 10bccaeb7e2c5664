//! A lock that spins for a moment, and then lends.

use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use crate::atomic::{AtomicBool, LOOKS_BEFORE_LENDING, Ordering, UnsafeCell, constant, spin_loop};
use crate::thread;

/// Mutual exclusion. Whoever waits spins for a moment, since the holder may be on another CPU and almost done; then it
/// lends its time between looks.
///
/// A holder on another CPU that is kept from running there, by somebody more urgent, keeps the lock as long as that takes.
#[derive(Debug)]
pub struct Mutex<T> {
    is_locked: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is used by one thread at a time: whoever has turned the word to true.
unsafe impl<T: Send> Sync for Mutex<T> {}

/// A value that is this thread's alone until this is dropped.
#[derive(Debug)]
#[must_use = "the lock is given back at once"]
pub struct Guard<'m, T> {
    lock: &'m Mutex<T>,
    value: PhantomData<&'m mut T>,
}

impl<T> Mutex<T> {
    constant! {
        /// Unlocked.
        pub fn new(value: T) -> Mutex<T> {
            Mutex {
                is_locked: AtomicBool::new(false),
                value: UnsafeCell::new(value),
            }
        }
    }

    /// Waits until nobody else has it.
    #[inline(always)]
    pub fn lock(&self) -> Guard<'_, T> {
        if !self.take() {
            self.wait();
        }
        let value = PhantomData;
        Guard { lock: self, value }
    }

    /// The same for as many turns as somebody else may need who runs; `None` after that. The holder may be a thread that is
    /// suspended, until its CPU is back.
    pub fn lock_within(&self, turns: u32) -> Option<Guard<'_, T>> {
        let is_taken = (0..turns).any(|_| {
            let is_taken = self.take();
            if !is_taken {
                thread::lend();
            }
            is_taken
        });
        let value = PhantomData;
        is_taken.then_some(Guard { lock: self, value })
    }

    #[inline(always)]
    fn take(&self) -> bool {
        let taken = self
            .is_locked
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
        taken.is_ok()
    }

    #[cold]
    fn wait(&self) {
        let mut looks = 0;
        while self.is_locked.load(Ordering::Relaxed) || !self.take() {
            looks += 1;
            match looks % LOOKS_BEFORE_LENDING {
                0 => thread::lend(),
                _ => spin_loop(),
            }
        }
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is ours.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is ours, and so is `self`.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.is_locked.store(false, Ordering::Release);
    }
}
