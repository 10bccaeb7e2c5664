//! The first chunk: every possible CPU's unit, in memory of its own node, as Linux embeds it on x86.
//!
//! Shape and placement are `percpu_core`'s; here memory is found for them and filled. All groups get their
//! memory before anything goes back, so that no spare page of one group ends up inside another.

use core::fmt;
use core::ops::Range;

use percpu_core::{AllocInfo, CpuId, Group, MAX_CPUS, MAX_NODES, NodeId, PAGE_SIZE, Sizes, Topology};

use super::firmware;
use super::options::{self, Options};
use crate::log;
use crate::memory::frame::{self, PhysicalFrame};
use crate::memory::physical_pointer;
use crate::percpu::DELTA;
use crate::sync::Once;

/// Linux's granularity for units in the linear mapping.
const ATOM: u64 = 2 << 20;
/// Groups lie above what old devices can reach, if there is room (Linux's `MAX_DMA_ADDRESS`).
const ABOVE: u64 = 16 << 20;
/// Linux's `-ENOMEM`.
const NO_MEMORY: i32 = -12;

unsafe extern "C" {
    static __per_cpu_start: u8;
    static __per_cpu_end: u8;
}

/// A range of pages within each unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// Its first page, counted from the unit's start.
    pub first_page: u64,
    /// How many there are.
    pub pages: u64,
}

struct FirstChunk {
    info: AllocInfo,
    /// Physical address of the lowest group.
    base: u64,
}

static FIRST_CHUNK: Once<FirstChunk> = Once::new();

/// Builds it. From here on [`delta_of`] and the others answer.
pub fn build(topology: &Topology, options: &Options) {
    log!(
        "percpu: NR_CPUS:{MAX_CPUS} nr_cpumask_bits:{MAX_CPUS} nr_cpu_ids:{} nr_node_ids:{}",
        topology.cpu_count(),
        topology.node_count()
    );
    let template = template();
    let sizes = Sizes {
        static_size: template.end - template.start,
        reserved_size: options.percpu_reserve,
        dyn_size: options.percpu_dynamic,
        atom_size: ATOM,
    };
    let near = |from, to| topology.cpu_distance(from, to);
    let mut info = AllocInfo::build(&sizes, topology.cpus(), near).unwrap_or_else(|error| {
        panic!("cannot initialize percpu area: {error}");
    });
    let starts = allocate_groups(&info, topology);
    let placement = info
        .place_groups(&starts[..info.group_count()])
        .expect("groups lie apart");
    let chunk = FIRST_CHUNK.call_once(|| FirstChunk {
        info,
        base: placement.base,
    });
    chunk.info.cpus().for_each(|cpu| chunk.fill(cpu));
    for spare in chunk.info.spare_ranges() {
        frame::free_range(chunk.base + spare.offset, spare.size);
    }
    chunk.report(topology);
}

/// This CPU's GS base: its unit's address minus the template's.
#[must_use]
pub fn delta_of(cpu: CpuId) -> u64 {
    unit_base(cpu).wrapping_sub(template().start)
}

/// Address of a possible CPU's unit.
#[must_use]
pub fn unit_base(cpu: CpuId) -> u64 {
    physical_pointer(chunk().unit(cpu)) as u64
}

/// The frame of a page of a possible CPU's unit.
#[must_use]
pub fn unit_frame(cpu: CpuId, page: u64) -> PhysicalFrame {
    let pages = chunk().info.size_sum() / PAGE_SIZE;
    assert!(page < pages, "page {page} of a unit with {pages}");
    PhysicalFrame::from_address(chunk().unit(cpu) + page * PAGE_SIZE)
}

/// The pages for static parts of programs.
#[must_use]
pub fn reserved_part() -> Part {
    let info = &chunk().info;
    Part {
        first_page: info.static_size() / PAGE_SIZE,
        pages: info.reserved_size() / PAGE_SIZE,
    }
}

/// The pages of the dynamic part that programs may have: the kernel keeps those in front of them.
#[must_use]
pub fn user_dynamic_part() -> Part {
    let kept = options::options().percpu_kernel;
    let info = &chunk().info;
    let start = info.static_size() + info.reserved_size() + kept;
    Part {
        first_page: start / PAGE_SIZE,
        pages: (info.dyn_size() - kept) / PAGE_SIZE,
    }
}

fn chunk() -> &'static FirstChunk {
    FIRST_CHUNK
        .get()
        .expect("the first chunk is built before any CPU uses it")
}

/// Link addresses of the template.
fn template() -> Range<u64> {
    (&raw const __per_cpu_start) as u64..(&raw const __per_cpu_end) as u64
}

/// Memory for all groups, each on the node of its first CPU if that has enough.
fn allocate_groups(info: &AllocInfo, topology: &Topology) -> [u64; MAX_NODES] {
    let mut starts = [0; MAX_NODES];
    for (index, group) in info.groups().enumerate() {
        let founder = group.cpus().first().copied().unwrap_or(CpuId::BOOT);
        let node = topology.node_of_cpu(founder).unwrap_or(NodeId::FIRST);
        let frames = (group.size() / PAGE_SIZE) as usize;
        let allocate = |above| frame::allocate_contiguous(node, frames, ATOM, above);
        let Ok(frame) = allocate(ABOVE).or_else(|_| allocate(0)) else {
            for (group, start) in info.groups().zip(&starts[..index]) {
                frame::free_range(*start, group.size());
            }
            log!(
                "percpu: embed allocator failed ({NO_MEMORY}): {} bytes near node {node}",
                group.size()
            );
            panic!("cannot initialize percpu area (err={NO_MEMORY})");
        };
        starts[index] = frame.address();
    }
    starts
}

impl FirstChunk {
    /// Physical address of a possible CPU's unit.
    fn unit(&self, cpu: CpuId) -> u64 {
        self.base + self.info.unit_offset(cpu).expect("a possible CPU").bytes()
    }

    /// Copies the template and tells the unit its own delta.
    fn fill(&self, cpu: CpuId) {
        let unit = physical_pointer(self.unit(cpu));
        let delta = (unit as u64).wrapping_sub(template().start);
        // SAFETY: 1. the unit is memory of this file's, zeroed, larger than the template, and no CPU uses it
        // yet. 2. DELTA lies in the template, so its copy lies in the unit.
        unsafe {
            unit.copy_from_nonoverlapping(&raw const __per_cpu_start, self.info.static_size() as usize);
            DELTA.at(delta).cast_mut().write(delta);
        }
    }

    fn report(&self, topology: &Topology) {
        let template = template();
        log!("percpu: {}", self.info.embed_report());
        log!("percpu: template {:#x}-{:#x}", template.start, template.end);
        for (index, group) in self.info.groups().enumerate() {
            log!(
                "percpu: group {index} base_offset {:#x} units{}",
                group.base_offset(),
                Units(group)
            );
        }
        for cpu in self.info.cpus() {
            let apic = topology.apic_id(cpu).expect("a possible CPU").get();
            let node = topology.node_of_cpu(cpu).expect("a possible CPU");
            log!(
                "percpu: cpu {cpu} apic {apic} node {node} unit_base {:#x} phys {:#x} gs_base {:#x}",
                unit_base(cpu),
                self.unit(cpu),
                delta_of(cpu)
            );
            if firmware::topology()
                .node_of_address(self.unit(cpu))
                .is_some_and(|there| there != node)
            {
                log!("percpu: cpu {cpu}: no memory on its node, its unit is remote");
            }
        }
    }
}

/// ` 0 1 -`: what each unit of a group is for.
struct Units<'a>(Group<'a>);

impl fmt::Display for Units<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.cpu_map().try_for_each(|unit| match unit {
            Some(cpu) => write!(f, " {cpu}"),
            None => write!(f, " -"),
        })
    }
}
