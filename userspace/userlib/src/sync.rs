//! Locks for the threads of a program. One that waits gives its time to the others of its CPU.

use spin::RelaxStrategy;

use crate::thread;

/// A lock that spins and yields.
pub type Mutex<T> = spin::mutex::SpinMutex<T, Yielding>;

/// A value that is made once.
pub type Once<T> = spin::once::Once<T, Yielding>;

/// How a waiting thread waits: the holder may be another thread of this CPU, so the CPU is given away.
#[derive(Clone, Copy, Debug)]
pub struct Yielding;

impl RelaxStrategy for Yielding {
    #[inline]
    fn relax() {
        core::hint::spin_loop();
        thread::yield_now();
    }
}
