//! What the boot module is made of: an archive, and programs in it. The kernel reads init with it, init all others.
//!
//! Pure, without a machine, so that it is tested where `cargo test` runs. What it reads comes from outside:
//! whatever the bytes are, the answer is what they mean or why they mean nothing.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod archive;
mod program;

pub use archive::{Archive, ArchiveError};
pub use program::{Program, ProgramError, Segment, Template};
