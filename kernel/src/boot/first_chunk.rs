//! The first chunk: every possible CPU's unit, as Linux makes it.
//!
//! Shape and placement are `percpu_core`'s; the builders find memory for them: `embed` in the physical map,
//! `page` in a range of its own, page by page; for a single CPU `up` leaves static variables where they are.
//! Here one of them is chosen, and what it built is kept for all who ask where a unit is.

mod address;
mod built;
mod checks;
mod embed;
mod facts;
#[expect(unsafe_code, reason = "fills the units before any CPU uses them")]
mod fill;
mod page;
mod parts;
mod report;
#[expect(unsafe_code, reason = "names the linker's symbols")]
mod template;
mod up;

use percpu_core::{CpuId, MAX_CPUS, PAGE_SIZE, Topology};

use super::accounting;
use super::options::{Builder, Options, Setup};
use crate::memory::frame::{self, PhysicalFrame};
use crate::sync::Once;
use crate::{cpu, log};
use built::{Backing, Cost, FirstChunk, Why};
use parts::kernel_part;

pub use address::{per_cpu_ptr_to_phys, percpu_address};
pub use fill::{check_no_write_was_lost, lose_a_write};
pub use parts::{Part, kernel_dynamic_part, reserved_part, user_dynamic_part};

/// Why a builder gave up, in Linux's numbers.
type Errno = i32;
const NO_MEMORY: Errno = -12;
const INVALID: Errno = -22;

static FIRST_CHUNK: Once<FirstChunk> = Once::new();

/// Builds it. From here on [`delta_of`] and the others answer.
pub fn build(topology: &Topology, options: &Options) {
    log!(
        "percpu: NR_CPUS:{MAX_CPUS} nr_cpumask_bits:{MAX_CPUS} nr_cpu_ids:{} nr_node_ids:{}",
        topology.cpu_count(),
        topology.node_count()
    );
    let chunk = FIRST_CHUNK.call_once(|| {
        let start = cpu::time_stamp();
        let mut chunk = choose(topology, options);
        checks::check(&chunk, topology, options);
        let built = cpu::time_stamp();
        chunk.info.cpus().for_each(|cpu| chunk.fill(cpu));
        let filled = cpu::time_stamp();
        chunk
            .spare_ranges()
            .for_each(|(start, bytes)| frame::free_range(start, bytes));
        chunk.cost = Cost {
            building: cpu::time_stamp() - filled + (built - start),
            filling: filled - built,
        };
        chunk
    });
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
        let chunk = built.unwrap_or_else(|_| panic!("Failed to allocate memory for percpu areas."));
        return match builder {
            Builder::Up => chunk.because(Why::Named),
            _ => chunk.because(Why::OneCpu),
        };
    }
    if builder == Builder::Page {
        return single_pages(topology, options).because(Why::Named);
    }
    match (embed::build(topology, options), options.percpu_setup) {
        (Ok(chunk), _) if builder == Builder::Embed => chunk.because(Why::Named),
        (Ok(chunk), _) => chunk,
        (Err(_), Setup::Generic) => panic!("Failed to initialize percpu areas."),
        (Err(error), Setup::X86) => {
            let name = builder.name();
            log!("percpu: {name} allocator failed ({error}), falling back to page size");
            single_pages(topology, options).because(Why::Refused(error))
        }
    }
}

fn single_pages(topology: &Topology, options: &Options) -> FirstChunk {
    let built = page::build(topology, options);
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
pub fn delta_of(cpu: CpuId) -> u64 {
    chunk().delta(cpu)
}

/// The frame of a page of a possible CPU's unit.
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

/// Where a page of the units would lie in the template: plus a CPU's delta it is that CPU's page.
pub fn template_address(page: u64) -> u64 {
    let unit = chunk().unit(CpuId::BOOT) + page * PAGE_SIZE;
    unit.wrapping_sub(chunk().delta(CpuId::BOOT))
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
