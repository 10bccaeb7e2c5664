//! Embedded in the physical map: one contiguous piece of memory for each group, near its first CPU.
//!
//! All groups get their memory before anything is copied or goes back, so that no spare page of one group
//! ends up inside another (M1, M5).

use percpu_core::{
    AllocInfo, CpuId, LOCAL_DISTANCE, MAX_NODES, NodeId, PAGE_SIZE, Sizes, Topology, exceeds_three_quarters,
};

use super::{Backing, Errno, FirstChunk, INVALID, NO_MEMORY, tell_if_memoryless, template};
use crate::boot::options::{Distance, Options, Setup};
use crate::cpu::node::early_cpu_to_node;
use crate::log;
use crate::memory::{frame, physical_pointer};

/// x86's granularity for units in the linear mapping, a large page.
const ATOM: u64 = 2 << 20;
/// Groups lie above what old devices can reach, if there is room (Linux's `MAX_DMA_ADDRESS`).
pub const ABOVE: u64 = 16 << 20;

/// The chunk, its units not filled yet. After an error every frame is free again.
pub fn build(topology: &Topology, options: &Options) -> Result<FirstChunk, Errno> {
    let mut info = shape(topology, options)?;
    let starts = allocate_groups(&info, topology, options)?;
    let starts = &starts[..info.group_count()];
    let placement = info.place_groups(starts).expect("groups lie apart");
    let (distance, range) = (placement.max_distance, options.percpu_span_limit);
    if exceeds_three_quarters(distance, range) {
        log!("percpu: max_distance={distance:#x} too large for vmalloc space {range:#x}");
        // Without a page mode to fall back to there is nothing better (M4).
        if options.percpu_setup == Setup::X86 {
            give_back(&info, starts);
            return Err(INVALID);
        }
    }
    let base = physical_pointer(placement.base) as u64;
    Ok(FirstChunk::new(info, base, distance, Backing::Linear))
}

fn shape(topology: &Topology, options: &Options) -> Result<AllocInfo, Errno> {
    let sizes = Sizes {
        static_size: template::static_size(options),
        reserved_size: options.percpu_reserve,
        dyn_size: options.percpu_dynamic,
        atom_size: match options.percpu_setup {
            Setup::X86 => ATOM,
            Setup::Generic => PAGE_SIZE,
        },
    };
    let near = |from, to| match (options.percpu_setup, options.percpu_distance) {
        (Setup::Generic, _) => LOCAL_DISTANCE,
        (Setup::X86, Distance::Node) => topology.cpu_distance(from, to),
        (Setup::X86, Distance::Slit) => topology.cpu_distance_by_slit(from, to),
    };
    AllocInfo::build(&sizes, topology.cpus(), near).map_err(|error| {
        log!("percpu: {error}");
        INVALID
    })
}

/// Memory for all groups or for none, each on the node of its first CPU if that has enough.
fn allocate_groups(
    info: &AllocInfo,
    topology: &Topology,
    options: &Options,
) -> Result<[u64; MAX_NODES], Errno> {
    let mut starts = [0; MAX_NODES];
    for (index, group) in info.groups().enumerate() {
        let founder = match options.setup_test {
            "filler-group" => None,
            _ => group.cpus().first(),
        };
        let Some(founder) = founder else {
            log!("percpu: {}", info.layout());
            panic!("percpu: failed to initialize, cpu == NR_CPUS in group {index}");
        };
        let node = node_of(*founder, topology, options);
        let frames = (group.size() / PAGE_SIZE) as usize;
        let allocate = |above| frame::take_contiguous(node, frames, info.atom_size(), above);
        let Ok(frame) = allocate(ABOVE).or_else(|_| allocate(0)) else {
            log!("percpu: no {} bytes for group {index}", group.size());
            give_back(info, &starts[..index]);
            return Err(NO_MEMORY);
        };
        starts[index] = frame.address();
    }
    Ok(starts)
}

/// The generic set-up takes memory from anywhere: of the first node, or of those nearest to it.
fn node_of(founder: CpuId, topology: &Topology, options: &Options) -> NodeId {
    match options.percpu_setup {
        Setup::Generic => NodeId::FIRST,
        Setup::X86 => {
            tell_if_memoryless(topology, founder);
            early_cpu_to_node(founder).unwrap_or(NodeId::FIRST)
        }
    }
}

/// Frees the groups that lie at these addresses, the first ones.
fn give_back(info: &AllocInfo, starts: &[u64]) {
    for (group, start) in info.groups().zip(starts) {
        frame::free_range(*start, group.size());
    }
}
