//! For one CPU: its static variables stay in the template, so its GS base is 0 (U1).
//!
//! What is built is a dynamic part only, of a power of two, and no reserved one.

use percpu_core::{AllocInfo, CpuId, NodeId, PAGE_SIZE};

use super::embed::ABOVE;
use super::{Backing, Errno, FirstChunk, INVALID, NO_MEMORY};
use crate::boot::options::Options;
use crate::cpu::node::early_cpu_to_node;
use crate::log;
use crate::memory::frame;

/// The chunk, whose unit needs no template.
pub fn build(options: &Options) -> Result<FirstChunk, Errno> {
    if options.percpu_static > 0 {
        log!(
            "percpu: percpu_static={} means nothing here: the template is the copy",
            options.percpu_static
        );
    }
    let info = AllocInfo::build_up(options.percpu_dynamic).map_err(|error| {
        log!("percpu: {error}");
        INVALID
    })?;
    let frames = (info.unit_size() / PAGE_SIZE) as usize;
    let node = early_cpu_to_node(CpuId::BOOT).unwrap_or(NodeId::FIRST);
    let allocate = |above| frame::take_contiguous(node, frames, info.unit_size(), above);
    let memory = allocate(ABOVE).or_else(|_| allocate(0)).map_err(|_| NO_MEMORY)?;
    let (base, size) = (memory.pointer() as u64, info.unit_size());
    Ok(FirstChunk::new(info, base, size, Backing::Template))
}
