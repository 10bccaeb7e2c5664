//! The kernel's lock, and the order in which several are taken.
//!
//! Kernel code runs with interrupts off and is never preempted, so a lock need not mask anything. Interrupts come into
//! the idle loop, which holds none, and where long work breathes (`cpu/breath.rs`): the handler takes only the heap's lock
//! then, which nobody holds who breathes. NMI handlers take none.
//!
//! **Order.** Whoever holds several takes them in the order of [`rank`], and never two of one rank. No lock is held
//! while waiting for another CPU's acknowledgement (`mailbox.rs`), nor on the way to user mode or into idleness. A
//! kernel that was built with the feature `checked` looks at each lock whether that is true.

mod order;

use core::ops::{Deref, DerefMut};

use spin::mutex::{SpinMutex, SpinMutexGuard};
use spin::relax::RelaxStrategy;

pub use order::{Held, check_none_is_held, rank, start_checking};

use crate::cpu;

/// Mutual exclusion by spinning with PAUSE.
pub struct Lock<T, const RANK: u8>(SpinMutex<T, Wait<RANK>>);

/// A value that is this CPU's alone until this is dropped.
pub struct Guard<'a, T, const RANK: u8> {
    value: SpinMutexGuard<'a, T, Wait<RANK>>,
    _held: Held<RANK>,
}

/// For the allocator, which wants a lock of its own kind; `memory/heap.rs` says its rank.
pub type RawLock = SpinMutex<()>;

/// How a lock is waited for. Address spaces and memory objects may be held for as long as programs like, by somebody who
/// breathes: so does who waits.
pub struct Wait<const RANK: u8>;

impl<const RANK: u8> RelaxStrategy for Wait<RANK> {
    #[inline]
    fn relax() {
        if RANK <= rank::MEMORY {
            cpu::breathe();
        }
        core::hint::spin_loop();
    }
}

/// A value that is set once, at boot.
pub type Once<T> = spin::Once<T>;

impl<T, const RANK: u8> Lock<T, RANK> {
    /// Unlocked.
    pub const fn new(value: T) -> Lock<T, RANK> {
        Lock(SpinMutex::new(value))
    }

    /// Waits until nobody else has it.
    #[inline]
    #[track_caller]
    pub fn lock(&self) -> Guard<'_, T, RANK> {
        let held = Held::take();
        Guard {
            value: self.0.lock(),
            _held: held,
        }
    }

    /// For the only one who knows it.
    pub fn get_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }
}

impl<T, const RANK: u8> Deref for Guard<'_, T, RANK> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T, const RANK: u8> DerefMut for Guard<'_, T, RANK> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}
