//! The processor's atomics, and how much of something there is. Loom's tests have a module of the same name, with loom's
//! atomics and smaller numbers.

pub use core::cell::UnsafeCell;
pub use core::hint::spin_loop;
pub use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicUsize, Ordering};

/// How often a lock is looked at before the thread that waits for it lends its time.
pub const LOOKS_BEFORE_LENDING: u32 = 64;

/// How often who can go on without a lock lends its time for it: about a second, if somebody uses that.
pub const TURNS_BEFORE_GIVING_UP: u32 = 1000;

/// Most nodes of one CPU's stack.
pub const MOST_NODES: u64 = 64;

/// A function that can be called for the initial value of a static. Loom's atomics cannot be made there.
macro_rules! constant {
    ($(#[$meta:meta])* pub fn $($rest:tt)+) => { $(#[$meta])* pub const fn $($rest)+ };
}
pub(crate) use constant;
