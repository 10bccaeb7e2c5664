//! Whether a first chunk is one, before any unit is used: `percpu_core` has the conditions.
//!
//! One that does not hold stops the boot, with the layout: nothing that runs later could be trusted. `setup_test=` on the
//! command line spoils one on purpose, so that it is seen.

use percpu_core::{CpuId, DYNAMIC_EARLY_SIZE, MAX_CPUS, PAGE_SIZE, SetupFacts, Topology};

use super::{Backing, FirstChunk, template};
use crate::boot::options::Options;
use crate::log;

/// Stops the boot if a condition does not hold.
pub fn check(chunk: &FirstChunk, topology: &Topology, options: &Options) {
    let mut facts = chunk.info.setup_facts(chunk.base, template::range().start);
    facts.is_up = matches!(chunk.backing, Backing::Template);
    facts.possible = topology.cpu_count();
    spoil(&mut facts, options.setup_test);
    if let Some(condition) = chunk.info.broken_condition(&facts) {
        log!("percpu: cpu_possible_mask=0-{}", facts.possible.saturating_sub(1));
        log!("percpu: {}", chunk.info.layout());
        panic!("percpu: failed to initialize, {condition}");
    }
}

fn spoil(facts: &mut SetupFacts, what: &str) {
    match what {
        "groups" => facts.groups = 0,
        "static" => facts.static_size = 0,
        "template" => facts.template += 8,
        "null" => facts.base = 0,
        "base" => facts.base += 8,
        "unit" => facts.unit_size = facts.size_sum - PAGE_SIZE,
        "border" => facts.unit_size += 8,
        "small" => (facts.unit_size, facts.size_sum) = (PAGE_SIZE, PAGE_SIZE),
        "dynamic" => facts.dyn_size = DYNAMIC_EARLY_SIZE - 1,
        "reserved" => facts.reserved_size += 2,
        "backend" => facts.groups += 1,
        "outside" => facts.extra = Some(CpuId::new(MAX_CPUS as u16)),
        "impossible" => facts.possible -= 1,
        "twice" => facts.extra = Some(CpuId::BOOT),
        "missing" => facts.possible += 1,
        _ => {}
    }
}
