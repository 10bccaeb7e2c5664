//! Endings and misuse on purpose, so that the launcher and its tests see each kind of it.

use core::arch::asm;

use percpu_core::CpuId;
use x86_64::VirtAddr;
use x86_64::instructions::tables::lidt;
use x86_64::structures::DescriptorTablePointer;

use super::options::Options;
use super::{firmware, first_chunk};
use crate::cpu::node::{cpu_to_node, early_cpu_to_node};
use crate::debug_exit::{self, Verdict};
use crate::log;
use crate::sync::{Lock, rank};

/// Ends here if the command line asks for an end right after the first chunk.
pub fn end_early(options: &Options) {
    if options.first_chunk_only {
        log!("all checks done");
        debug_exit::end(Verdict::Success);
    }
    if options.panic_test {
        panic!("asked for by panic_test");
    }
    if options.triple_fault_test {
        triple_fault();
    }
}

/// What `lock_test=` does with locks: a kernel that checks itself panics.
pub fn misuse_locks(options: &Options) {
    static QUEUE: Lock<(), { rank::RUN_QUEUE }> = Lock::new(());
    static OTHER_QUEUE: Lock<(), { rank::RUN_QUEUE }> = Lock::new(());
    static TABLE: Lock<(), { rank::TABLE }> = Lock::new(());
    match options.lock_test {
        "order" => drop((QUEUE.lock(), TABLE.lock())),
        "twice" => drop((QUEUE.lock(), OTHER_QUEUE.lock())),
        "kept" => core::mem::forget(TABLE.lock()),
        "right" => drop((TABLE.lock(), QUEUE.lock())),
        _ => {}
    }
}

/// Stops this CPU if the command line asks for a hang after boot.
pub fn hang(options: &Options) {
    if options.hang_test {
        debug_exit::halt();
    }
}

/// What `node_test=` asks of the map from CPUs to nodes while it is the boot-time one.
pub fn ask_for_nodes_early(options: &Options) {
    match options.node_test {
        "too_early" => log!("node_test: node {}", cpu_to_node(CpuId::BOOT)),
        "all" => tell_nodes("early"),
        _ => {}
    }
}

/// The same, once each CPU has its own word; and a write to a per-CPU variable that comes too late.
pub fn ask_for_nodes_late(options: &Options) {
    if options.setup_test == "lost-write" {
        first_chunk::lose_a_write();
    }
    match options.node_test {
        "nobody" => {
            let behind_all = CpuId::new(firmware::topology().cpu_count() as u16);
            let node = early_cpu_to_node(behind_all);
            log!("node_test: is there a node? {}", node.is_some());
        }
        "all" => tell_nodes("late"),
        _ => {}
    }
}

fn tell_nodes(when: &str) {
    for cpu in firmware::topology().cpus() {
        match early_cpu_to_node(cpu) {
            Some(node) => log!("node_test: {when} cpu {cpu} node {node}"),
            None => log!("node_test: {when} cpu {cpu} without a node"),
        }
    }
}

fn triple_fault() -> ! {
    let nothing = DescriptorTablePointer {
        limit: 0,
        base: VirtAddr::zero(),
    };
    // SAFETY: nothing runs after this: without an IDT the first exception resets the machine.
    unsafe {
        lidt(&nothing);
        asm!("int3", options(noreturn));
    }
}
