//! Just enough of ELF to leave out of the boot module what no loader reads.
//!
//! Debug information is most of a program's file. The kernel and init read program headers only, so
//! everything behind the last segment can go; the section table, which lies there, is unlinked.

use crate::status::{Failure, Result};

const SECTION_TABLE: std::ops::Range<usize> = 0x28..0x30;
const SEGMENT_TABLE: usize = 0x20;
const SEGMENT_SIZE: usize = 0x36;
const SEGMENT_COUNT: usize = 0x38;
const SECTION_COUNT_AND_NAMES: std::ops::Range<usize> = 0x3c..0x40;
const HEADER_SIZE: usize = 0x40;

/// The part of an ELF64 file that its segments cover.
pub fn loadable(name: &str, file: &[u8]) -> Result<Vec<u8>> {
    let broken = || Failure::build(format!("{name} is no ELF64 program for this machine"));
    if file.len() < HEADER_SIZE || !file.starts_with(b"\x7fELF\x02\x01") {
        return Err(broken());
    }
    let table = word(file, SEGMENT_TABLE).ok_or_else(broken)?;
    let size = half(file, SEGMENT_SIZE).ok_or_else(broken)?;
    let count = half(file, SEGMENT_COUNT).ok_or_else(broken)?;
    let mut end = table
        .checked_add(size * count)
        .ok_or_else(broken)?
        .max(HEADER_SIZE);
    for segment in (0..count).map(|index| table + index * size) {
        let offset = word(file, segment + 0x08).ok_or_else(broken)?;
        let bytes = word(file, segment + 0x20).ok_or_else(broken)?;
        end = end.max(offset.checked_add(bytes).ok_or_else(broken)?);
    }
    let mut kept = file.get(..end).ok_or_else(broken)?.to_vec();
    kept[SECTION_TABLE].fill(0);
    kept[SECTION_COUNT_AND_NAMES].fill(0);
    Ok(kept)
}

fn word(file: &[u8], at: usize) -> Option<usize> {
    let bytes = file.get(at..at.checked_add(8)?)?;
    usize::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).ok()
}

fn half(file: &[u8], at: usize) -> Option<usize> {
    let bytes = file.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One segment of `bytes` bytes at 0x78, then 100 bytes that no segment covers.
    fn program(bytes: u64) -> Vec<u8> {
        let mut file = vec![0xaa; 0x78 + 16 + 100];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[0x20..0x28].copy_from_slice(&0x40u64.to_le_bytes());
        file[0x36..0x38].copy_from_slice(&56u16.to_le_bytes());
        file[0x38..0x3a].copy_from_slice(&1u16.to_le_bytes());
        file[0x48..0x50].copy_from_slice(&0x78u64.to_le_bytes());
        file[0x60..0x68].copy_from_slice(&bytes.to_le_bytes());
        file
    }

    #[test]
    fn what_no_segment_covers_is_left_out() {
        let kept = loadable("p", &program(16)).unwrap();
        assert_eq!(kept.len(), 0x78 + 16);
        assert_eq!(kept[0x28..0x30], [0; 8]);
        assert_eq!(kept[0x3c..0x40], [0; 4]);
    }

    #[test]
    fn files_that_lie_are_refused() {
        assert!(loadable("p", &program(1000)).is_err());
        assert!(loadable("p", &program(u64::MAX)).is_err());
        assert!(loadable("p", b"#!/bin/sh").is_err());
        assert!(loadable("p", &program(16)[..0x41]).is_err());
    }
}
