//! The first chunk: every possible CPU's unit, as Linux makes it.
//!
//! Shape and placement are `percpu_core`'s; the builders find memory for them: `embed` in the physical map,
//! `page` in a range of its own, page by page; for a single CPU `up` leaves static variables where they are.
//! Here one of them is chosen, and what it built is kept for all who ask where a unit is.

mod address;
mod checks;
mod embed;
mod facts;
#[expect(unsafe_code, reason = "fills the units before any CPU uses them")]
mod fill;
mod page;
mod report;
#[expect(unsafe_code, reason = "reads the time stamp counter")]
mod stopwatch;
#[expect(unsafe_code, reason = "names the linker's symbols")]
mod template;
mod up;

use alloc::vec::Vec;

use percpu_core::{AllocInfo, CpuId, MAX_CPUS, PAGE_SIZE, SpareRange, Topology};

use super::accounting;
use super::options::{self, Builder, Options, Setup};
use crate::log;
use crate::memory::PHYSICAL_OFFSET;
use crate::memory::frame::{self, PhysicalFrame};
use crate::sync::Once;
use stopwatch::Stopwatch;

pub use address::{per_cpu_ptr_to_phys, percpu_address};
pub use fill::check_no_write_was_lost;

/// Why a builder gave up, in Linux's numbers.
type Errno = i32;
const NO_MEMORY: Errno = -12;
const INVALID: Errno = -22;

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
    /// Address of the lowest unit.
    base: u64,
    /// From there to the end of the group that starts highest.
    max_distance: u64,
    backing: Backing,
    why: Why,
    cost: Cost,
}

/// What the units' addresses stand for.
enum Backing {
    /// They lie in the physical map.
    Linear,
    /// The same, but the template itself is the only CPU's static part, and no unit has one.
    Template,
    /// A range of its own; the frames of all its pages, in order.
    Pages(Vec<PhysicalFrame>),
}

/// Why this builder and no other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Why {
    /// Nothing else was asked for.
    Default,
    /// It was named on the command line.
    Named,
    /// There is one possible CPU, and nothing was asked for.
    OneCpu,
    /// Embedding was refused, with this number.
    Refused(Errno),
}

/// Time stamps that building took: instructions, where the machine counts them.
#[derive(Clone, Copy, Default)]
struct Cost {
    /// Shape, memory, checks, and giving back what is spare.
    building: u64,
    /// Clearing the units and copying the template.
    filling: u64,
}

static FIRST_CHUNK: Once<FirstChunk> = Once::new();

/// Builds it. From here on [`delta_of`] and the others answer.
pub fn build(topology: &Topology, options: &Options) {
    log!(
        "percpu: NR_CPUS:{MAX_CPUS} nr_cpumask_bits:{MAX_CPUS} nr_cpu_ids:{} nr_node_ids:{}",
        topology.cpu_count(),
        topology.node_count()
    );
    let chunk = FIRST_CHUNK.call_once(|| {
        let mut building = Stopwatch::start();
        let mut chunk = choose(topology, options);
        checks::check(&chunk, topology, options);
        building.stop();
        let mut filling = Stopwatch::start();
        chunk.info.cpus().for_each(|cpu| chunk.fill(cpu));
        filling.stop();
        building.go_on();
        chunk
            .spare_ranges()
            .for_each(|(start, bytes)| frame::free_range(start, bytes));
        building.stop();
        chunk.cost = Cost {
            building: building.ticks(),
            filling: filling.ticks(),
        };
        chunk
    });
    if options.setup_test == "lost-write" {
        fill::lose_a_write();
    }
    accounting::balance(topology);
    chunk.report(topology, options);
    if options.facts {
        chunk.print_facts(topology, options);
    }
}

/// Embedded unless pages were asked for or embedding fails (D3, D4, D9); one CPU needs no copy (U1).
fn choose(topology: &Topology, options: &Options) -> FirstChunk {
    let (builder, is_alone) = (options.percpu_alloc, topology.cpu_count() == 1);
    if builder == Builder::Up || builder == Builder::Auto && is_alone {
        let built = up::build(options);
        return built.unwrap_or_else(|_| panic!("Failed to allocate memory for percpu areas."));
    }
    if builder == Builder::Page {
        return single_pages(topology, options, Why::Named);
    }
    match (embed::build(topology, options), options.percpu_setup) {
        (Ok(chunk), _) => chunk,
        (Err(_), Setup::Generic) => panic!("Failed to initialize percpu areas."),
        (Err(error), Setup::X86) => {
            let name = builder.name();
            log!("percpu: {name} allocator failed ({error}), falling back to page size");
            single_pages(topology, options, Why::Refused(error))
        }
    }
}

fn single_pages(topology: &Topology, options: &Options, why: Why) -> FirstChunk {
    let built = page::build(topology, options, why);
    built.unwrap_or_else(|error| panic!("cannot initialize percpu area (err={error})"))
}

/// Tells once that a CPU's own node cannot serve it, as Linux does (M2).
fn tell_if_memoryless(topology: &Topology, cpu: CpuId) {
    let node = topology.node_of_cpu(cpu).expect("a possible CPU");
    if !topology.has_memory(node) {
        log!("percpu: cpu {cpu} has no node {node} or node-local memory");
    }
}

/// This CPU's GS base: its unit's address minus the template's, or 0 where the template is the copy.
#[must_use]
pub fn delta_of(cpu: CpuId) -> u64 {
    chunk().delta(cpu)
}

/// The frame of a page of a possible CPU's unit.
#[must_use]
pub fn unit_frame(cpu: CpuId, page: u64) -> PhysicalFrame {
    let pages = chunk().info.size_sum() / PAGE_SIZE;
    assert!(page < pages, "page {page} of a unit with {pages}");
    chunk().frame(cpu, page)
}

/// Every frame that the first chunk holds, unit by unit.
pub fn frames() -> impl Iterator<Item = PhysicalFrame> {
    let chunk = chunk();
    let pages = chunk.frames_of_unit();
    let pages_of = move |cpu| (0..pages).map(move |page| chunk.frame(cpu, page));
    chunk.info.cpus().flat_map(pages_of)
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
    let info = &chunk().info;
    let kept = kernel_part(info, options::options());
    let start = info.static_size() + info.reserved_size() + kept;
    Part {
        first_page: start / PAGE_SIZE,
        pages: (info.dyn_size() - kept) / PAGE_SIZE,
    }
}

/// The pages of the dynamic part that the kernel keeps.
#[must_use]
pub fn kernel_dynamic_part() -> Part {
    let info = &chunk().info;
    Part {
        first_page: (info.static_size() + info.reserved_size()) / PAGE_SIZE,
        pages: kernel_part(info, options::options()) / PAGE_SIZE,
    }
}

/// Where a page of the units would lie in the template: plus a CPU's delta it is that CPU's page.
#[must_use]
pub fn template_address(page: u64) -> u64 {
    let unit = chunk().unit(CpuId::BOOT) + page * PAGE_SIZE;
    unit.wrapping_sub(chunk().delta(CpuId::BOOT))
}

/// Bytes of the dynamic part that the kernel keeps: all but a page, at most.
fn kernel_part(info: &AllocInfo, options: &Options) -> u64 {
    options.percpu_kernel.min(info.dyn_size() - PAGE_SIZE)
}

/// The CPUs that took part are known only now.
pub fn report_online(options: &Options) {
    if options.facts {
        facts::print_online();
    }
}

fn chunk() -> &'static FirstChunk {
    FIRST_CHUNK
        .get()
        .expect("the first chunk is built before any CPU uses it")
}

impl FirstChunk {
    /// Address of a possible CPU's unit.
    fn unit(&self, cpu: CpuId) -> u64 {
        self.base + self.offset(cpu)
    }

    fn offset(&self, cpu: CpuId) -> u64 {
        self.info.unit_offset(cpu).expect("a possible CPU").bytes()
    }

    /// The frame of a page of its unit.
    fn frame(&self, cpu: CpuId, page: u64) -> PhysicalFrame {
        match &self.backing {
            Backing::Linear | Backing::Template => {
                PhysicalFrame::from_address(self.unit(cpu) - PHYSICAL_OFFSET + page * PAGE_SIZE)
            }
            Backing::Pages(frames) => frames[(self.offset(cpu) / PAGE_SIZE + page) as usize],
        }
    }

    /// Frames that each unit keeps: single pages were allocated for the whole unit (P2).
    fn frames_of_unit(&self) -> u64 {
        let bytes = match self.backing {
            Backing::Pages(_) => self.info.unit_size(),
            Backing::Linear | Backing::Template => self.info.size_sum(),
        };
        bytes / PAGE_SIZE
    }

    fn delta(&self, cpu: CpuId) -> u64 {
        match self.backing {
            Backing::Template => 0,
            _ => self.unit(cpu).wrapping_sub(template::range().start),
        }
    }

    /// Filler units and tails, by physical address and bytes (M5). Of single pages none is spare.
    fn spare_ranges(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let is_embedded = matches!(self.backing, Backing::Linear);
        let ranges = is_embedded.then(|| self.info.spare_ranges());
        let physical = |spare: SpareRange| (self.base - PHYSICAL_OFFSET + spare.offset, spare.size);
        ranges.into_iter().flatten().map(physical)
    }
}
