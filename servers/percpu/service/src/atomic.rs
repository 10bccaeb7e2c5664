//! The processor's atomics; loom's tests have a module of the same name.

pub use core::sync::atomic::{AtomicBool, Ordering};

/// A function that can be called for the initial value of a static. Loom's atomics cannot be made there.
macro_rules! constant {
    ($(#[$meta:meta])* pub fn $($rest:tt)+) => { $(#[$meta])* pub const fn $($rest)+ };
}
pub(crate) use constant;
