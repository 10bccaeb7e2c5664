//! What the kernel, the servers and the programs agree on: the contract, and nothing else.
//!
//! A system call puts its number into `rax` and at most nine words into the registers listed at
//! [`syscall::Registers`]; the answer is a [`Status`] in `rax` and the same nine registers. Servers speak in
//! [`Message`]s, which the kernel carries without looking inside; the percpu server's are in [`percpu`].
//!
//! Every record is encoded to and decoded from explicit words, so nothing here depends on a compiler's
//! layout, and no enum is ever read from outside: numbers become enums by a checked conversion. Numbers are
//! explicit, and are never used again for something else; `tests/numbers.rs` is the lock.
//!
//! This crate has no dependency, no unsafe code and no target-specific code.
#![no_std]
#![forbid(unsafe_code)]

pub mod fault;
pub mod handle;
pub mod mark;
pub mod message;
pub mod percpu;
pub mod start;
pub mod status;
pub mod supervisor;
pub mod syscall;
pub mod window;

pub use handle::{Handle, Rights};
pub use message::{Message, Received};
pub use status::Status;
pub use syscall::{Call, Registers};

/// The version of everything in this crate. It changes when an old program would be misunderstood.
pub const ABI_VERSION: u32 = 2;

/// Bytes in a page and in a frame.
pub const PAGE_SIZE: u64 = 4096;

/// The largest number of possible CPUs.
pub const MAX_CPUS: usize = 256;
