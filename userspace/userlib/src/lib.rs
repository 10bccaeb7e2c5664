//! What a program on Selion is written with.
//!
//! ```ignore
//! #![no_std]
//! #![no_main]
//! use userlib::{PerCpuCell, entry, percpu, println};
//!
//! percpu! { static HITS: PerCpuCell<u64> = 0; }
//! entry!(main);
//!
//! fn main() {
//!     HITS.increment(); // one instruction, on the copy of whatever CPU this is
//!     println!("{} hits on all CPUs", HITS.sum());
//! }
//! ```
//!
//! A program has threads ([`thread`]), memory ([`memory`]), messages ([`ipc`]), a console ([`println!`]), and a
//! *window*: per-CPU memory that it reaches by single GS-relative instructions. Its statics are declared with
//! [`percpu!`]; regions are asked for at the percpu server ([`percpu::Region`]); both are used through
//! [`PerCpuCell`].
//!
//! The module list below is the map of unsafe code: modules without an `expect` contain none.
#![no_std]

#[expect(unsafe_code, reason = "areas of an allocator become cells")]
pub mod allocator;
mod atomic;
#[expect(unsafe_code, reason = "follows the frames on the stack")]
mod backtrace;
#[expect(unsafe_code, reason = "an area of an allocator becomes a cell")]
pub mod boxed;
pub mod census;
pub mod checks;
pub mod console;
pub mod counter;
pub mod crowd;
pub mod device;
#[expect(unsafe_code, reason = "the kernel writes registers to memory")]
pub mod fault;
pub mod hotplug;
pub mod ipc;
#[expect(unsafe_code, reason = "the kernel writes words to a page")]
pub mod long;
#[expect(unsafe_code, reason = "instructions that do nothing")]
pub mod mark;
#[expect(unsafe_code, reason = "memory that the kernel maps becomes slices")]
pub mod memory;
pub mod notification;
pub mod percpu;
#[expect(unsafe_code, reason = "maps into a child and starts its threads")]
pub mod process;
pub mod random;
pub mod reference;
pub mod refusal;
pub mod rounds;
#[expect(unsafe_code, reason = "references into units")]
pub mod shared;
#[expect(unsafe_code, reason = "values in memory that was used before")]
pub mod slab;
#[expect(unsafe_code, reason = "the owner word stands for its value")]
pub mod slot;
#[expect(unsafe_code, reason = "nodes that others may look at")]
mod stack;
#[expect(
    unsafe_code,
    reason = "the first instruction of a program, and the page it finds"
)]
pub mod start;
pub mod supervisor;
pub mod sync;
#[expect(unsafe_code, reason = "the one system call instruction")]
pub mod syscall;
#[expect(unsafe_code, reason = "a thread's stack, and what it runs, are raw memory")]
pub mod thread;
pub mod visit;
pub mod workload;

pub mod cell;
#[expect(unsafe_code, reason = "reads the kernel's header pages in the window")]
pub mod machine;

pub use abi;
pub use allocator::Allocator;
pub use boxed::PerCpuBox;
pub use cell::{PerCpuCell, PerCpuPair};
pub use counter::PerCpuCounter;
pub use long::{LongMessage, MessagePage};
pub use reference::PerCpuRef;
pub use refusal::Refusal;
pub use shared::PerCpu;
pub use slab::PerCpuSlab;
pub use slot::PerCpuSlot;
