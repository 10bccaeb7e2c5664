//! What must hold before a unit of the first chunk is used: each condition broken once, in Linux's words.

use percpu_core::{AllocInfo, CpuId, MAX_CPUS, SetupFacts};

mod shapes;
use shapes::{USUAL, on_nodes};

const BASE: u64 = 0x1_0000_0000;
const TEMPLATE: u64 = 0xffff_ffff_8026_2000;

/// What is said of four CPUs on two nodes when one fact is not so.
fn broken(spoil: impl FnOnce(&mut SetupFacts)) -> Option<&'static str> {
    let info: AllocInfo = on_nodes(&USUAL, &[2, 2]);
    let mut facts = info.setup_facts(BASE, TEMPLATE);
    spoil(&mut facts);
    info.broken_condition(&facts)
}

#[test]
fn a_sound_chunk_breaks_none() {
    assert_eq!(broken(|_| ()), None);
}

#[test]
fn sizes_and_addresses_are_looked_at() {
    assert_eq!(broken(|facts| facts.groups = 0), Some("ai->nr_groups <= 0"));
    assert_eq!(broken(|facts| facts.static_size = 0), Some("!ai->static_size"));
    assert_eq!(
        broken(|facts| facts.template += 8),
        Some("offset_in_page(__per_cpu_start)")
    );
    assert_eq!(broken(|facts| facts.base = 0), Some("!base_addr"));
    assert_eq!(broken(|facts| facts.base += 8), Some("offset_in_page(base_addr)"));
    let below_sum = |facts: &mut SetupFacts| facts.unit_size = facts.size_sum - 4096;
    assert_eq!(broken(below_sum), Some("ai->unit_size < size_sum"));
    assert_eq!(
        broken(|facts| facts.unit_size += 8),
        Some("offset_in_page(ai->unit_size)")
    );
    let small = |facts: &mut SetupFacts| (facts.unit_size, facts.size_sum) = (4096, 4096);
    assert_eq!(broken(small), Some("ai->unit_size < PCPU_MIN_UNIT_SIZE"));
    let early = |facts: &mut SetupFacts| facts.dyn_size = (20 << 10) - 1;
    assert_eq!(broken(early), Some("ai->dyn_size < PERCPU_DYNAMIC_EARLY_SIZE"));
    let reserved = |facts: &mut SetupFacts| facts.reserved_size += 2;
    assert_eq!(
        broken(reserved),
        Some("!IS_ALIGNED(ai->reserved_size, PCPU_MIN_ALLOC_SIZE)")
    );
}

#[test]
fn without_a_template_there_is_one_group_and_no_static_part() {
    let up = |facts: &mut SetupFacts| (facts.is_up, facts.static_size) = (true, 0);
    assert_eq!(broken(up), Some("pcpu_verify_alloc_info(ai) < 0"));
    let one_group = |facts: &mut SetupFacts| (facts.is_up, facts.static_size, facts.groups) = (true, 0, 1);
    assert_eq!(broken(one_group), None);
}

#[test]
fn every_possible_cpu_has_one_unit() {
    let outside = |facts: &mut SetupFacts| facts.extra = Some(CpuId::new(MAX_CPUS as u16));
    assert_eq!(broken(outside), Some("cpu > nr_cpu_ids"));
    assert_eq!(broken(|facts| facts.possible -= 1), Some("!cpu_possible(cpu)"));
    assert_eq!(
        broken(|facts| facts.extra = Some(CpuId::BOOT)),
        Some("unit_map[cpu] != UINT_MAX")
    );
    assert_eq!(
        broken(|facts| facts.possible += 1),
        Some("unit_map[cpu] == UINT_MAX")
    );
}
