//! Embedded in the physical map: one contiguous piece of memory for each group, near its first CPU.
//!
//! All groups get their memory before anything is copied or goes back, so that no spare page of one group
//! ends up inside another (M1, M5).

use percpu_core::{AllocInfo, CpuId, MAX_NODES, NodeId, PAGE_SIZE, Sizes, Topology, exceeds_three_quarters};

use super::{Backing, Errno, FirstChunk, INVALID, NO_MEMORY, template};
use crate::boot::options::Options;
use crate::log;
use crate::memory::{frame, physical_pointer};

/// Linux's granularity for units in the linear mapping.
const ATOM: u64 = 2 << 20;
/// Groups lie above what old devices can reach, if there is room (Linux's `MAX_DMA_ADDRESS`).
const ABOVE: u64 = 16 << 20;

/// The chunk, its units not filled yet. After an error every frame is free again.
pub fn build(topology: &Topology, options: &Options) -> Result<FirstChunk, Errno> {
    let template = template();
    let sizes = Sizes {
        static_size: template.end - template.start,
        reserved_size: options.percpu_reserve,
        dyn_size: options.percpu_dynamic,
        atom_size: ATOM,
    };
    let near = |from, to| topology.cpu_distance(from, to);
    let mut info = AllocInfo::build(&sizes, topology.cpus(), near).map_err(|error| {
        log!("percpu: {error}");
        INVALID
    })?;
    let starts = allocate_groups(&info, topology)?;
    let starts = &starts[..info.group_count()];
    let placement = info.place_groups(starts).expect("groups lie apart");
    let (distance, range) = (placement.max_distance, options.percpu_span_limit);
    if exceeds_three_quarters(distance, range) {
        log!("percpu: max_distance={distance:#x} too large for vmalloc space {range:#x}");
        give_back(&info, starts);
        return Err(INVALID);
    }
    Ok(FirstChunk {
        info,
        base: physical_pointer(placement.base) as u64,
        backing: Backing::Linear,
    })
}

/// Memory for all groups or for none, each on the node of its first CPU if that has enough.
fn allocate_groups(info: &AllocInfo, topology: &Topology) -> Result<[u64; MAX_NODES], Errno> {
    let mut starts = [0; MAX_NODES];
    for (index, group) in info.groups().enumerate() {
        let founder = group.cpus().first().copied().unwrap_or(CpuId::BOOT);
        let node = topology.node_of_cpu(founder).unwrap_or(NodeId::FIRST);
        let frames = (group.size() / PAGE_SIZE) as usize;
        let allocate = |above| frame::allocate_contiguous(node, frames, ATOM, above);
        let Ok(frame) = allocate(ABOVE).or_else(|_| allocate(0)) else {
            log!("percpu: no {} bytes for group {index}", group.size());
            give_back(info, &starts[..index]);
            return Err(NO_MEMORY);
        };
        starts[index] = frame.address();
    }
    Ok(starts)
}

/// Frees the groups that lie at these addresses, the first ones.
fn give_back(info: &AllocInfo, starts: &[u64]) {
    for (group, start) in info.groups().zip(starts) {
        frame::free_range(*start, group.size());
    }
}
