//! Made of single pages, mapped one behind the other in a range of its own.
//!
//! One group, however many nodes there are; yet each page lies on the node of its CPU (P5). The dynamic part
//! is the smallest there is: `percpu_dynamic=` does not count here, as in Linux (P1).

use alloc::vec::Vec;

use percpu_core::{AllocInfo, LOCAL_DISTANCE, NodeId, PAGE_SIZE, Sizes, Topology};

use super::{Backing, Errno, FirstChunk, INVALID, NO_MEMORY, kernel_part, tell_if_memoryless, template};
use crate::boot::options::Options;
use crate::cpu::node::early_cpu_to_node;
use crate::log;
use crate::memory::frame::{self, PhysicalFrame};
use crate::memory::kernel_map::{self, PER_CPU_AREA, PER_CPU_AREA_SIZE};

/// The chunk, mapped, its units not filled yet. After an error every frame is free again.
pub fn build(topology: &Topology, options: &Options) -> Result<FirstChunk, Errno> {
    let sizes = Sizes {
        static_size: template::static_size(options),
        reserved_size: options.percpu_reserve,
        dyn_size: 0,
        atom_size: PAGE_SIZE,
    };
    let info = AllocInfo::build(&sizes, topology.cpus(), |_, _| LOCAL_DISTANCE).map_err(|error| {
        log!("percpu: {error}");
        INVALID
    })?;
    assert!(info.group_count() == 1, "all CPUs are near each other here");
    let bytes = info.unit_count() as u64 * info.unit_size();
    if info.unit_count() != topology.cpu_count() || bytes > PER_CPU_AREA_SIZE {
        log!(
            "percpu: {} units, {bytes:#x} bytes, for {} CPUs",
            info.unit_count(),
            topology.cpu_count()
        );
        return Err(INVALID);
    }
    let kept = kernel_part(&info, options);
    if kept < options.percpu_kernel {
        log!("percpu: percpu_kernel={kept}: no more fits here");
    }
    let frames = allocate(&info, topology)?;
    kernel_map::map_per_cpu_area(&frames);
    Ok(FirstChunk::new(info, PER_CPU_AREA, bytes, Backing::Pages(frames)))
}

/// Every unit's pages, unit after unit, or none (P2).
fn allocate(info: &AllocInfo, topology: &Topology) -> Result<Vec<PhysicalFrame>, Errno> {
    let pages = info.unit_size() / PAGE_SIZE;
    let mut frames = Vec::new();
    let count = info.unit_count() * pages as usize;
    frames.try_reserve_exact(count).map_err(|_| NO_MEMORY)?;
    for cpu in info.cpus() {
        tell_if_memoryless(topology, cpu);
        let node = early_cpu_to_node(cpu).unwrap_or(NodeId::FIRST);
        for _ in 0..pages {
            let Ok(frame) = frame::take_near(node) else {
                log!("percpu: failed to allocate 4K page for cpu{cpu}");
                frames.into_iter().for_each(frame::free);
                return Err(NO_MEMORY);
            };
            frames.push(frame);
        }
    }
    Ok(frames)
}
