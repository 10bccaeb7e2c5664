//! Which node a CPU belongs to: a boot-time map first, then every CPU's own word of per-CPU memory (T3 to T7).
//!
//! The first chunk is built by nodes, so the map is asked before there is per-CPU memory: then it is an array
//! with an entry for each CPU number, and a mark that it is in force. [`hand_over`] moves it into the units and
//! lifts the mark, all CPUs first and then the mark, so that nobody ever finds neither. `percpu_debug` on the
//! command line tells uses that come too early, or for a CPU that has no unit.

use core::fmt;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use percpu_core::{CpuId, MAX_CPUS, NodeId, Topology};

use crate::boot::options::options;
use crate::boot::{firmware, self_test};
use crate::{log, per_cpu};

/// No node is known. Linux's number.
const NO_NODE: u32 = u32::MAX;

static EARLY_MAP: [AtomicU32; MAX_CPUS] = [const { AtomicU32::new(NO_NODE) }; MAX_CPUS];
/// Linux has a pointer to the map here, which becomes null.
static IS_EARLY: AtomicBool = AtomicBool::new(true);

per_cpu! {
    static NODE: AtomicU32 = AtomicU32::new(NO_NODE);
}

/// The word of each unit that [`hand_over`] writes, by its place in the template.
pub fn word_of_units() -> Range<u64> {
    NODE.span()
}

/// Fills the map with every possible CPU's node.
pub fn remember(topology: &Topology) {
    for cpu in topology.cpus() {
        let node = topology.node_of_cpu(cpu);
        EARLY_MAP[cpu.index()].store(encoded(node), Ordering::Relaxed);
    }
}

/// Moves the map into the units (T5). Once, when every possible CPU's unit is filled: what was written to one
/// before would be lost.
pub fn hand_over(topology: &Topology) {
    self_test::ask_for_nodes_early(options());
    for cpu in topology.cpus() {
        let node = EARLY_MAP[cpu.index()].load(Ordering::Relaxed);
        NODE.on(cpu).store(node, Ordering::Relaxed);
    }
    IS_EARLY.store(false, Ordering::Release);
    // Whoever looked there now would find nobody's node.
    for entry in &EARLY_MAP {
        entry.store(NO_NODE, Ordering::Relaxed);
    }
    self_test::ask_for_nodes_late(options());
}

/// The node of a CPU, at any time; none for a CPU that is not possible. With `percpu_debug` it tells when such
/// a one is asked for after the map is gone (T6).
pub fn early_cpu_to_node(cpu: CpuId) -> Option<NodeId> {
    if IS_EARLY.load(Ordering::Acquire) {
        return decoded(EARLY_MAP.get(cpu.index())?.load(Ordering::Relaxed));
    }
    if firmware::topology().apic_id(cpu).is_none() {
        if options().percpu_debug {
            warn(format_args!("early_cpu_to_node({cpu}): no per_cpu area!"));
        }
        return None;
    }
    decoded(NODE.on(cpu).load(Ordering::Relaxed))
}

/// The node of a possible CPU, once there are units. With `percpu_debug` it tells when it is asked too early,
/// and answers all the same (T7).
pub fn cpu_to_node(cpu: CpuId) -> NodeId {
    let node = if options().percpu_debug && IS_EARLY.load(Ordering::Acquire) {
        warn(format_args!("cpu_to_node({cpu}): usage too early!"));
        early_cpu_to_node(cpu)
    } else {
        decoded(NODE.on(cpu).load(Ordering::Relaxed))
    };
    node.expect("every possible CPU has a node")
}

/// The node of this CPU: one load from its unit.
pub fn this_node() -> NodeId {
    decoded(NODE.local().load(Ordering::Relaxed)).expect("every possible CPU has a node")
}

fn encoded(node: Option<NodeId>) -> u32 {
    node.map_or(NO_NODE, |node| node.get().into())
}

fn decoded(word: u32) -> Option<NodeId> {
    u16::try_from(word).ok().map(NodeId::new)
}

fn warn(text: fmt::Arguments<'_>) {
    log!("{text}");
    crate::panic::print_stack();
}
