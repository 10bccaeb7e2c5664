//! The witness: a plugin of QEMU's software emulation that sees every instruction of every virtual CPU from outside.
//!
//! It counts them, and the dear ones by kind, in windows that the guest marks (`abi::mark`); it notes which lines
//! of memory each CPU uses in them; and it keeps the longest stretch that the kernel ran with interrupts off. The guest can
//! neither see nor disturb it: not even the instruction counter moves.
//!
//! ```text
//! -plugin libwitness.so,report=FILE,kernel=ELF
//! ```
//!
//! When the machine ends, `report` is JSON: see [`report`]. Unsafe code is in `qemu.rs` alone, which declares what is used of
//! QEMU's plugin interface, version 1; Debian ships no header.

pub mod class;
pub mod counts;
pub mod lines;
pub mod numbers;
#[cfg(not(test))]
#[expect(unsafe_code, reason = "QEMU's plugin interface is C")]
mod qemu;
pub mod report;
pub mod stretch;
pub mod witness;
