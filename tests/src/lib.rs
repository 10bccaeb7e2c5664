//! Reads what a running machine says: the kernel's report of the first chunk, and QEMU's register dump.
//!
//! Kept apart from the tests that boot machines, so that the reading itself is tested without one.

mod first_chunk;
mod plan;
mod registers;
mod words;

pub use first_chunk::{Cpu, FirstChunk, Group, SizeReport};
pub use plan::{plan, topology};
pub use registers::{Registers, registers};
