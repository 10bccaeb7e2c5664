//! Reads what a machine says: the kernel's report of the first chunk, QEMU's register dump, a program's code.
//!
//! Kept apart from the tests that boot machines, so that the reading itself is tested without one.

mod asked;
mod baseline;
mod disassembly;
mod first_chunk;
pub mod first_chunk_build;
pub mod measured;
mod pages;
mod plan;
mod registers;
mod words;

pub use asked::Asked;
pub use baseline::{Baseline, Counts};
pub use disassembly::{GsUse, Operation, Place, gs_uses};
pub use first_chunk::{Cpu, FirstChunk};
pub use pages::{Page, mapped};
pub use plan::{plan, serving_node, topology};
pub use registers::{Registers, registers};
