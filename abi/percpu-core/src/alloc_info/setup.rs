//! Whether a first chunk is one, before any unit is used (E3): the conditions that stop Linux's boot, in its own words.

use super::{AllocInfo, DYNAMIC_EARLY_SIZE, MIN_UNIT_SIZE};
use crate::{CpuId, MAX_CPUS, PAGE_SIZE};

/// The reserved part is dealt out in pieces of this size, in Linux.
const MIN_ALLOC_SIZE: u64 = 4;

/// What the conditions are about. Numbers, so that a test can spoil each.
#[derive(Clone, Copy, Debug)]
pub struct SetupFacts {
    /// Groups of units.
    pub groups: usize,
    /// Whether the only CPU uses the template itself.
    pub is_up: bool,
    /// Address of the template.
    pub template: u64,
    /// Address of the lowest unit.
    pub base: u64,
    /// Bytes of the static part.
    pub static_size: u64,
    /// Bytes of all parts.
    pub size_sum: u64,
    /// Bytes from one unit to the next.
    pub unit_size: u64,
    /// Bytes of the dynamic part.
    pub dyn_size: u64,
    /// Bytes of the reserved part.
    pub reserved_size: u64,
    /// How many CPUs are possible.
    pub possible: usize,
    /// A CPU behind those of the layout; only a test adds one.
    pub extra: Option<CpuId>,
}

impl<const CPUS: usize, const GROUPS: usize> AllocInfo<CPUS, GROUPS> {
    /// The facts of a chunk of this shape at an address.
    pub fn setup_facts(&self, base: u64, template: u64) -> SetupFacts {
        SetupFacts {
            groups: self.group_count(),
            is_up: false,
            template,
            base,
            static_size: self.static_size(),
            size_sum: self.size_sum(),
            unit_size: self.unit_size(),
            dyn_size: self.dyn_size(),
            reserved_size: self.reserved_size(),
            possible: self.cpu_count(),
            extra: None,
        }
    }

    /// The first condition that is true and must not be.
    pub fn broken_condition(&self, facts: &SetupFacts) -> Option<&'static str> {
        let in_page = |value: u64| !value.is_multiple_of(PAGE_SIZE);
        let is_reserved_odd = !facts.reserved_size.is_multiple_of(MIN_ALLOC_SIZE);
        let conditions = [
            (facts.groups == 0, "ai->nr_groups <= 0"),
            (!facts.is_up && facts.static_size == 0, "!ai->static_size"),
            (in_page(facts.template), "offset_in_page(__per_cpu_start)"),
            (facts.base == 0, "!base_addr"),
            (in_page(facts.base), "offset_in_page(base_addr)"),
            (facts.unit_size < facts.size_sum, "ai->unit_size < size_sum"),
            (in_page(facts.unit_size), "offset_in_page(ai->unit_size)"),
            (
                facts.unit_size < MIN_UNIT_SIZE,
                "ai->unit_size < PCPU_MIN_UNIT_SIZE",
            ),
            (
                facts.dyn_size < DYNAMIC_EARLY_SIZE,
                "ai->dyn_size < PERCPU_DYNAMIC_EARLY_SIZE",
            ),
            (
                is_reserved_odd,
                "!IS_ALIGNED(ai->reserved_size, PCPU_MIN_ALLOC_SIZE)",
            ),
            (facts.is_up && facts.groups != 1, "pcpu_verify_alloc_info(ai) < 0"),
        ];
        let broken = conditions.iter().find(|(is_broken, _)| *is_broken);
        broken.map(|(_, words)| *words).or_else(|| self.misplaced(facts))
    }

    /// Every possible CPU has one unit, and no other has any.
    fn misplaced(&self, facts: &SetupFacts) -> Option<&'static str> {
        let mut is_placed = [false; MAX_CPUS];
        let units = self.groups().flat_map(|group| group.cpu_map());
        for cpu in units.flatten().chain(facts.extra) {
            match is_placed.get_mut(cpu.index()) {
                None => return Some("cpu > nr_cpu_ids"),
                Some(_) if cpu.index() >= facts.possible => return Some("!cpu_possible(cpu)"),
                Some(true) => return Some("unit_map[cpu] != UINT_MAX"),
                Some(is_placed) => *is_placed = true,
            }
        }
        let all = is_placed.iter().take(facts.possible).all(|is_placed| *is_placed);
        (!all).then_some("unit_map[cpu] == UINT_MAX")
    }
}
