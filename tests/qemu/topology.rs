//! Which CPUs come up, under which numbers and on which nodes: sparse ids, CPUs that are not there or never
//! report, tables that make no sense, and the map from CPUs to nodes before and after per-CPU memory.

use std::path::PathBuf;

use libtest_mimic::{Failed, Trial};
use run_qemu::{CpuTopology, Machine, Status, Transcript};
use selion_tests::{FirstChunk, topology};

use crate::lab::{TIME_LIMIT, boot, check, check_ending, with_append};
use crate::machines::case;
use crate::witness::Witness;

type Test = fn() -> Result<(), Failed>;

/// What one thread of the counter adds, and how many threads it has for each online CPU.
const ADDS: u64 = 1_000_000;
const THREADS_PER_CPU: u64 = 3;
const PHYSICAL_OFFSET: u64 = 0xffff_8000_0000_0000;
const TOO_EARLY: &str = "usage too early!";
const NO_AREA: &str = "no per_cpu area!";

pub fn trials() -> Vec<Trial> {
    let tests: [(&str, Test); 13] = [
        ("cpus::one_that_never_reports_is_left_out", silent),
        ("cpus::sparse_apic_ids_get_dense_numbers", sparse),
        ("cpus::those_that_are_not_there_are_possible", absent),
        ("cpus::stacks_lie_on_their_cpus_nodes", || {
            stacks(case("8_on_3+5").witness()?)
        }),
        ("cpus::nonsense_about_them_is_told_and_ignored", nonsense),
        ("tables::a_slit_that_is_too_small_is_told", small_slit),
        ("tables::a_slit_with_10_off_the_diagonal_is_told", near_slit),
        ("tables::of_two_of_a_kind_the_first_counts", second_table),
        ("nodes::the_map_moves_into_the_units", moved),
        ("nodes::asked_too_early_warns_in_a_debug_boot", too_early),
        ("nodes::of_an_impossible_cpu_warns_in_a_debug_boot", no_area),
        ("nodes::of_an_impossible_cpu_is_none", no_node),
        ("nodes::a_debug_boot_has_nothing_to_warn_of", quiet),
    ];
    let trial = |(name, test): (&str, Test)| Trial::test(format!("topology::{name}"), test);
    tests.into_iter().map(trial).collect()
}

/// A run to its good end.
fn works(machine: &Machine) -> Result<Transcript, Failed> {
    let transcript = boot(machine, &["counter"], TIME_LIMIT)?;
    check_ending(Status::Ok, &transcript)?;
    Ok(transcript)
}

fn says(words: &str, transcript: &Transcript) -> Result<(), Failed> {
    check(transcript.find(words).is_some(), format!("`{words}`"), transcript)
}

fn counted_on(cpus: u64, transcript: &Transcript) -> Result<(), Failed> {
    let sum = cpus * THREADS_PER_CPU * ADDS;
    for cell in ["static", "reserved", "dynamic"] {
        says(&format!("sum {cell} {sum} of {sum}"), transcript)?;
    }
    Ok(())
}

fn silent() -> Result<(), Failed> {
    let run = works(&with_append("silent_cpu=1 cpu_patience=500"))?;
    says("cpus: 3 of 4 online, 4 possible", &run)?;
    counted_on(3, &run)?;
    let at = |words: &str| run.lines.iter().position(|line| line.trim() == words);
    let (left_out, last) = (at("cpu 1: did not report, left out"), at("cpu 3 online"));
    let in_order = last.is_some() && last < left_out;
    check(in_order, "nobody waits for CPU 1 but the boot CPU", &run)?;
    check(at("cpu 1 online").is_none(), "CPU 1 is not online", &run)?;
    let chunk = FirstChunk::read(&run.lines)?;
    check(chunk.cpus.len() == 4, "CPU 1 has a unit", &run)?;
    let row = run
        .lines
        .iter()
        .any(|line| line.starts_with("1 0 0x100004000000 0 0 0"));
    check(row, "a copy for CPU 1 in which nobody has counted", &run)
}

/// 0 to 5 and 8 to 13: each socket takes a power of two.
fn sparse() -> Result<(), Failed> {
    let topology = CpuTopology {
        sockets: 2,
        cores: 3,
        threads: 2,
    };
    let run = works(&Machine {
        nodes: vec![6, 6],
        topology: Some(topology),
        ..Machine::default()
    })?;
    says("cpus: 12 of 12 online, 12 possible", &run)?;
    let chunk = FirstChunk::read(&run.lines)?;
    let ids: Vec<u64> = chunk.cpus.iter().map(|cpu| cpu.apic).collect();
    check(
        ids == [0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13],
        format!("the ids of such sockets, not {ids:?}"),
        &run,
    )?;
    counted_on(12, &run)
}

fn absent() -> Result<(), Failed> {
    let run = works(&Machine {
        nodes: vec![2],
        absent: 4,
        ..Machine::default()
    })?;
    says("cpus: 2 of 2 online, 6 possible", &run)?;
    let chunk = FirstChunk::read(&run.lines)?;
    check(chunk.cpus.len() == 6, "a unit for each of six", &run)?;
    counted_on(2, &run)
}

/// A halted CPU's stack pointer is an address in the physical map.
fn stacks(seen: &Witness) -> Result<(), Failed> {
    let topology = topology(&seen.machine)?;
    let nodes = seen.machine.node_of_cpus();
    let counted = seen.registers.len() == nodes.len() && !nodes.is_empty();
    check(counted, "every CPU was looked at", &seen.transcript)?;
    for (cpu, (registers, node)) in seen.registers.iter().zip(&nodes).enumerate() {
        let physical = registers.stack.checked_sub(PHYSICAL_OFFSET);
        let there = physical.and_then(|physical| topology.node_of_address(physical));
        let there = there.map(|there| u32::from(there.get()));
        let promise = format!(
            "CPU {cpu}'s stack at {:#x} on node {node}, not {there:?}",
            registers.stack
        );
        check(there == Some(*node), promise, &seen.transcript)?;
    }
    Ok(())
}

fn nonsense() -> Result<(), Failed> {
    let run = works(&with_append("cpu_patience=0 silent_cpu=two"))?;
    for words in [
        "options: cpu_patience=0 makes no sense: at least 1; default 20000",
        "options: silent_cpu=two is no CPU, every CPU reports",
        "cpus: 4 of 4 online, 4 possible",
    ] {
        says(words, &run)?;
    }
    Ok(())
}

fn small_slit() -> Result<(), Failed> {
    let run = works(&with_table("SLIT", "small_slit", &slit(1, &[10]))?)?;
    says(
        "firmware: SLIT: nothing on 0 to 1 in 1 localities: distances 10 and 20 are assumed",
        &run,
    )
}

fn near_slit() -> Result<(), Failed> {
    let run = works(&with_table("SLIT", "near_slit", &slit(2, &[10, 10, 20, 10]))?)?;
    says("firmware: SLIT: 0 to 1 is as near as 0 to itself: so be it", &run)?;
    // Nodes decide all the same: two groups.
    let chunk = FirstChunk::read(&run.lines)?;
    check(chunk.groups.len() == 2, "a group for each node", &run)
}

/// A MADT that would leave only the boot CPU.
fn second_table() -> Result<(), Failed> {
    let run = works(&with_table("APIC", "second_madt", &[0; 10])?)?;
    says("firmware: a second APIC: not used", &run)?;
    says("cpus: 4 of 4 online, 4 possible", &run)
}

fn slit(localities: u64, distances: &[u8]) -> Vec<u8> {
    [&localities.to_le_bytes()[..], distances].concat()
}

/// The default machine with one more table, whose header QEMU makes.
fn with_table(signature: &str, name: &str, body: &[u8]) -> Result<Machine, Failed> {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.bin"));
    std::fs::write(&file, body)?;
    let table = format!("sig={signature},data={}", file.display());
    Ok(Machine {
        extra: vec!["-acpitable".into(), table],
        ..Machine::default()
    })
}

/// The boot CPU on the second node, so that a forgotten entry would be seen.
fn backwards(append: &str) -> Machine {
    Machine {
        nodes: vec![0, 2, 1],
        ..with_append(append)
    }
}

fn moved() -> Result<(), Failed> {
    let run = works(&backwards("node_test=all"))?;
    let chunk = FirstChunk::read(&run.lines)?;
    let nodes: Vec<u64> = chunk.cpus.iter().map(|cpu| cpu.node).collect();
    check(nodes == [1, 1, 2], format!("nodes {nodes:?}"), &run)?;
    for when in ["early", "late"] {
        for (cpu, node) in nodes.iter().enumerate() {
            says(&format!("node_test: {when} cpu {cpu} node {node}"), &run)?;
        }
    }
    Ok(())
}

fn too_early() -> Result<(), Failed> {
    let run = works(&backwards("node_test=too_early percpu_debug"))?;
    warns(&format!("cpu_to_node(0): {TOO_EARLY}"), &run)?;
    says("node_test: node 1", &run)
}

fn no_area() -> Result<(), Failed> {
    let run = works(&backwards("node_test=nobody percpu_debug"))?;
    warns(&format!("early_cpu_to_node(3): {NO_AREA}"), &run)?;
    says("node_test: is there a node? false", &run)
}

/// The warning, once, and who is to blame for it.
fn warns(words: &str, run: &Transcript) -> Result<(), Failed> {
    let lines: Vec<&str> = run.lines.iter().map(|line| line.trim()).collect();
    let times = lines.iter().filter(|line| **line == words).count();
    check(times == 1, format!("`{words}` once, not {times} times"), run)?;
    let behind = lines.iter().skip_while(|line| **line != words).nth(1);
    let stack = behind.and_then(|line| line.strip_prefix("warning: return addresses "));
    let callers = stack.map_or(0, |stack| stack.split_whitespace().count());
    check(callers >= 2, "its callers in the next line", run)
}

fn no_node() -> Result<(), Failed> {
    let run = works(&backwards("node_test=nobody"))?;
    says("node_test: is there a node? false", &run)?;
    silence(&run)
}

/// Page mode needs the heap before there are units.
fn quiet() -> Result<(), Failed> {
    silence(&works(&backwards("percpu_debug percpu_alloc=page"))?)
}

fn silence(run: &Transcript) -> Result<(), Failed> {
    let warned = run.find(TOO_EARLY).or(run.find(NO_AREA)).or(run.find("warning:"));
    check(warned.is_none(), "no warning", run)
}
