//! The processor's atomics; the tests have a module of the same name.

pub use core::cell::Cell;
pub use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A function that can be called for the initial value of a static. Loom's atomics cannot be made there.
macro_rules! constant {
    ($(#[$meta:meta])* pub fn $($rest:tt)+) => { $(#[$meta])* pub const fn $($rest)+ };
}
pub(crate) use constant;
