//! The first chunk: every possible CPU's unit, in memory of its own node, as Linux makes it on x86.
//!
//! Shape and placement are `percpu_core`'s; the builders find memory for them: `embed` in the physical map,
//! `page` in a range of its own, page by page; for a single CPU `up` leaves static variables where they are.
//! Here one of them is chosen, and its units are filled.

mod checks;
mod embed;
mod page;
mod up;

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use percpu_core::{AllocInfo, CpuId, Group, MAX_CPUS, PAGE_SIZE, Topology};

use super::options::{self, Builder, Options};
use crate::log;
use crate::memory::PHYSICAL_OFFSET;
use crate::memory::frame::{self, PhysicalFrame};
use crate::percpu::DELTA;
use crate::sync::Once;

/// Why a builder gave up, in Linux's numbers.
type Errno = i32;
const NO_MEMORY: Errno = -12;
const INVALID: Errno = -22;

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
    /// Address of the lowest unit.
    base: u64,
    backing: Backing,
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

static FIRST_CHUNK: Once<FirstChunk> = Once::new();

/// Builds it. From here on [`delta_of`] and the others answer.
pub fn build(topology: &Topology, options: &Options) {
    log!(
        "percpu: NR_CPUS:{MAX_CPUS} nr_cpumask_bits:{MAX_CPUS} nr_cpu_ids:{} nr_node_ids:{}",
        topology.cpu_count(),
        topology.node_count()
    );
    let chunk = FIRST_CHUNK.call_once(|| choose(topology, options));
    checks::check(chunk, topology, options);
    chunk.info.cpus().for_each(|cpu| chunk.fill(cpu));
    chunk.give_back_spare();
    chunk.report(topology);
}

/// Embedded unless pages were asked for or embedding fails (D3, D4); one CPU needs no copy (U1).
fn choose(topology: &Topology, options: &Options) -> FirstChunk {
    let is_up = match options.percpu_alloc {
        Builder::Up => true,
        Builder::Auto => topology.cpu_count() == 1,
        Builder::Embed | Builder::Page => false,
    };
    if is_up {
        return up::build(options).unwrap_or_else(|_| panic!("Failed to allocate memory for percpu areas."));
    }
    if options.percpu_alloc != Builder::Page {
        match embed::build(topology, options) {
            Ok(chunk) => return chunk,
            Err(error) => log!(
                "percpu: {} allocator failed ({error}), falling back to page size",
                options.percpu_alloc.name()
            ),
        }
    }
    let built = page::build(topology, options);
    built.unwrap_or_else(|error| panic!("cannot initialize percpu area (err={error})"))
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

/// Bytes of the dynamic part that the kernel keeps: all but a page, at most.
fn kernel_part(info: &AllocInfo, options: &Options) -> u64 {
    options.percpu_kernel.min(info.dyn_size() - PAGE_SIZE)
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

    fn delta(&self, cpu: CpuId) -> u64 {
        match self.backing {
            Backing::Template => 0,
            _ => self.unit(cpu).wrapping_sub(template().start),
        }
    }

    /// Copies the template and tells the unit its own delta. What is the template has both.
    fn fill(&self, cpu: CpuId) {
        if let Backing::Template = self.backing {
            return;
        }
        let unit = self.unit(cpu);
        let delta = self.delta(cpu);
        // SAFETY: 1. the unit is memory of this file's, mapped, zeroed, larger than the template, and no CPU
        // uses it yet. 2. DELTA lies in the template, so its copy lies in the unit.
        unsafe {
            (unit as *mut u8)
                .copy_from_nonoverlapping(&raw const __per_cpu_start, self.info.static_size() as usize);
            DELTA.at(delta).cast_mut().write(delta);
        }
    }

    /// Filler units and tails (M5). Single pages were allocated for what they are used for.
    fn give_back_spare(&self) {
        if let Backing::Linear = self.backing {
            for spare in self.info.spare_ranges() {
                frame::free_range(self.base - PHYSICAL_OFFSET + spare.offset, spare.size);
            }
        }
    }

    fn report(&self, topology: &Topology) {
        let template = template();
        match self.backing {
            Backing::Linear => log!("percpu: {}", self.info.embed_report()),
            Backing::Pages(_) => log!("percpu: {}", self.info.page_report()),
            Backing::Template => {
                let (dynamic, unit) = (self.info.dyn_size(), self.info.unit_size());
                log!("percpu: UP, the template is the copy, s0 r0 d{dynamic} u{unit}")
            }
        }
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
                self.unit(cpu),
                self.frame(cpu, 0).address(),
                self.delta(cpu)
            );
            let pages = self.info.size_sum() / PAGE_SIZE;
            let is_remote = |page: &u64| {
                let there = topology.node_of_address(self.frame(cpu, *page).address());
                there.is_some_and(|there| there != node)
            };
            match (0..pages).filter(is_remote).count() as u64 {
                0 => {}
                remote if remote == pages => {
                    log!("percpu: cpu {cpu}: no memory on its node, its unit is remote")
                }
                remote => log!("percpu: cpu {cpu}: little memory on its node, {remote} pages are remote"),
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
