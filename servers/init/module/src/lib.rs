//! What init reads and how it judges: the boot module's archive, the manifest, programs, and their ends.
//!
//! Pure, without a machine, so that it is tested where `cargo test` runs. What it reads comes from outside:
//! whatever the bytes are, the answer is what they mean or why they mean nothing.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod archive;
mod manifest;
mod program;
mod verdict;

pub use archive::{Archive, ArchiveError};
pub use manifest::{Device, Expect, ManifestError, Run, runs};
pub use program::{Program, ProgramError, Segment, Template};
pub use verdict::Verdict;
