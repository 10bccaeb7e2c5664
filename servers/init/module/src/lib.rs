//! What init finds in the boot module: an archive, a manifest, and programs.
//!
//! Pure reading, without a machine, so that it is tested where `cargo test` runs. Everything here comes from
//! outside: whatever the bytes are, the answer is what they mean or why they mean nothing.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod archive;
mod manifest;
mod program;

pub use archive::{Archive, ArchiveError};
pub use manifest::{Expect, ManifestError, Run, runs};
pub use program::{Program, ProgramError, Segment, Template};
