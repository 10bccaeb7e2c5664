//! What init reads and how it judges: the boot module's files, the manifest, and programs' ends.
//!
//! Pure, without a machine, so that it is tested where `cargo test` runs. What it reads comes from outside:
//! whatever the bytes are, the answer is what they mean or why they mean nothing.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod manifest;
mod verdict;

pub use boot_files::{Archive, ArchiveError, Program, ProgramError, Segment, Template};
pub use manifest::{Device, Expect, ManifestError, Run, runs};
pub use verdict::Verdict;
