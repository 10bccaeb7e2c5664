//! Locks for the threads of a program, of whatever priority each is.
//!
//! The holder may be a less urgent thread of the same CPU, which does not run as long as somebody waits who is more
//! urgent. Nobody knows who it is. So whoever waits lends its time, and each priority of that CPU gets its turn.

#[expect(unsafe_code, reason = "the lock stands for its value")]
mod mutex;

use spin::RelaxStrategy;

pub use mutex::{Guard, Mutex};

use crate::thread;

/// A value that is made once.
pub type Once<T> = spin::once::Once<T, Lending>;

/// How a thread waits for what has a waiting of its own.
#[derive(Clone, Copy, Debug)]
pub struct Lending;

impl RelaxStrategy for Lending {
    #[inline]
    fn relax() {
        core::hint::spin_loop();
        thread::lend();
    }
}
