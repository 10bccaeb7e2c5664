//! For one CPU: its static variables stay in the template, so its GS base is 0 (U1).
//!
//! What is built is a dynamic part only, of a power of two, and no reserved one.

use percpu_core::{AllocInfo, NodeId, PAGE_SIZE};

use super::{Backing, Errno, FirstChunk, INVALID, NO_MEMORY};
use crate::boot::options::Options;
use crate::log;
use crate::memory::{frame, physical_pointer};

/// Above what old devices can reach, if there is room, as for groups.
const ABOVE: u64 = 16 << 20;

/// The chunk, whose unit needs no filling.
pub fn build(options: &Options) -> Result<FirstChunk, Errno> {
    let info = AllocInfo::build_up(options.percpu_dynamic).map_err(|error| {
        log!("percpu: {error}");
        INVALID
    })?;
    let frames = (info.unit_size() / PAGE_SIZE) as usize;
    let allocate = |above| frame::allocate_contiguous(NodeId::FIRST, frames, info.unit_size(), above);
    let memory = allocate(ABOVE).or_else(|_| allocate(0)).map_err(|_| NO_MEMORY)?;
    Ok(FirstChunk {
        info,
        base: physical_pointer(memory.address()) as u64,
        backing: Backing::Template,
    })
}
