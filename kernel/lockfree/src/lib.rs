//! What several CPUs of the kernel change at once without a lock, and nothing else.
//!
//! A crate of its own because `tests/loom` builds these very files once more, with loom's atomics in place of the
//! processor's, and goes through all the orders in which they may be used.
#![no_std]

mod atomic;
mod cpu_set;
mod doom;
mod fast_slot;
mod flush;
mod head;
mod idle;
mod loaded;
mod urgency;

pub use cpu_set::CpuSet;
pub use doom::{Doom, MOST_CALLS};
pub use fast_slot::FastSlot;
pub use flush::Flush;
pub use head::{CLOSED, Head, OPEN};
pub use idle::Idle;
pub use loaded::Loaded;
pub use urgency::Urgency;
