//! Whether a first chunk is one, before any unit is used (E3).
//!
//! Each condition has Linux's own words. One that does not hold stops the boot, with the layout: nothing that
//! runs later could be trusted. `setup_test=` on the command line spoils one on purpose, so that it is seen.

use percpu_core::{AllocInfo, CpuId, DYNAMIC_EARLY_SIZE, MAX_CPUS, MIN_UNIT_SIZE, PAGE_SIZE, Topology};

use super::{Backing, FirstChunk, template};
use crate::boot::options::Options;
use crate::log;

/// The reserved part is dealt out in pieces of this size, in Linux.
const MIN_ALLOC_SIZE: u64 = 4;

/// What the conditions are about.
struct Facts {
    groups: usize,
    is_up: bool,
    template: u64,
    base: u64,
    static_size: u64,
    size_sum: u64,
    unit_size: u64,
    dyn_size: u64,
    reserved_size: u64,
    possible: usize,
    /// A CPU behind those of the layout; only a test adds one.
    extra: Option<CpuId>,
}

/// Stops the boot if a condition does not hold.
pub fn check(chunk: &FirstChunk, topology: &Topology, options: &Options) {
    let mut facts = Facts::of(chunk, topology);
    facts.spoil(options.setup_test);
    if let Some(condition) = facts.broken(&chunk.info) {
        log!("percpu: cpu_possible_mask=0-{}", facts.possible.saturating_sub(1));
        log!("percpu: {}", chunk.info.layout());
        panic!("percpu: failed to initialize, {condition}");
    }
}

impl Facts {
    fn of(chunk: &FirstChunk, topology: &Topology) -> Facts {
        let info = &chunk.info;
        Facts {
            groups: info.group_count(),
            is_up: matches!(chunk.backing, Backing::Template),
            template: template::range().start,
            base: chunk.base,
            static_size: info.static_size(),
            size_sum: info.size_sum(),
            unit_size: info.unit_size(),
            dyn_size: info.dyn_size(),
            reserved_size: info.reserved_size(),
            possible: topology.cpu_count(),
            extra: None,
        }
    }

    /// The first condition that is true and must not be.
    fn broken(&self, info: &AllocInfo) -> Option<&'static str> {
        let in_page = |value: u64| !value.is_multiple_of(PAGE_SIZE);
        let conditions = [
            (self.groups == 0, "ai->nr_groups <= 0"),
            (!self.is_up && self.static_size == 0, "!ai->static_size"),
            (in_page(self.template), "offset_in_page(__per_cpu_start)"),
            (self.base == 0, "!base_addr"),
            (in_page(self.base), "offset_in_page(base_addr)"),
            (self.unit_size < self.size_sum, "ai->unit_size < size_sum"),
            (in_page(self.unit_size), "offset_in_page(ai->unit_size)"),
            (
                self.unit_size < MIN_UNIT_SIZE,
                "ai->unit_size < PCPU_MIN_UNIT_SIZE",
            ),
            (
                self.dyn_size < DYNAMIC_EARLY_SIZE,
                "ai->dyn_size < PERCPU_DYNAMIC_EARLY_SIZE",
            ),
            (
                !self.reserved_size.is_multiple_of(MIN_ALLOC_SIZE),
                "!IS_ALIGNED(ai->reserved_size, PCPU_MIN_ALLOC_SIZE)",
            ),
            (self.is_up && self.groups != 1, "pcpu_verify_alloc_info(ai) < 0"),
        ];
        let broken = conditions.iter().find(|(is_broken, _)| *is_broken);
        broken.map(|(_, words)| *words).or_else(|| self.misplaced(info))
    }

    /// Every possible CPU has one unit, and no other has any.
    fn misplaced(&self, info: &AllocInfo) -> Option<&'static str> {
        let mut is_placed = [false; MAX_CPUS];
        let units = info.groups().flat_map(|group| group.cpu_map());
        for cpu in units.flatten().chain(self.extra) {
            match is_placed.get_mut(cpu.index()) {
                None => return Some("cpu > nr_cpu_ids"),
                Some(_) if cpu.index() >= self.possible => return Some("!cpu_possible(cpu)"),
                Some(true) => return Some("unit_map[cpu] != UINT_MAX"),
                Some(is_placed) => *is_placed = true,
            }
        }
        let all = is_placed.iter().take(self.possible).all(|is_placed| *is_placed);
        (!all).then_some("unit_map[cpu] == UINT_MAX")
    }

    fn spoil(&mut self, what: &str) {
        match what {
            "groups" => self.groups = 0,
            "static" => self.static_size = 0,
            "template" => self.template += 8,
            "null" => self.base = 0,
            "base" => self.base += 8,
            "unit" => self.unit_size = self.size_sum - PAGE_SIZE,
            "border" => self.unit_size += 8,
            "small" => (self.unit_size, self.size_sum) = (PAGE_SIZE, PAGE_SIZE),
            "dynamic" => self.dyn_size = DYNAMIC_EARLY_SIZE - 1,
            "reserved" => self.reserved_size += 2,
            "backend" => self.groups += 1,
            "outside" => self.extra = Some(CpuId::new(MAX_CPUS as u16)),
            "impossible" => self.possible -= 1,
            "twice" => self.extra = Some(CpuId::BOOT),
            "missing" => self.possible += 1,
            _ => {}
        }
    }
}
