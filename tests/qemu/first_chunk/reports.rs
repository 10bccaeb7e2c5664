//! What the kernel says of its first chunk, against what the host finds out by itself.

use std::collections::BTreeMap;

use libtest_mimic::Failed;
use percpu_core::CpuId;
use selion_tests::{plan, topology};

use crate::lab::check;
use crate::machines::Case;
use crate::witness::Witness;

const PAGE: u64 = 4096;
/// What the kernel's image, the boot module, firmware and the bitmap of frames may take of a node at boot.
const TAKEN_AT_BOOT: u64 = 4 << 20;
/// The same where UEFI's firmware stays in memory, and its loader with the kernel's whole file.
const TAKEN_BY_UEFI: u64 = 24 << 20;

pub fn shape(_: &Case, seen: &Witness) -> Result<(), Failed> {
    let (chunk, info) = (&seen.chunk, plan(&seen.machine, &seen.chunk)?);
    let number = |cpu: CpuId| u64::from(cpu.get());
    let units = info
        .groups()
        .map(|group| group.cpu_map().map(|cpu| cpu.map(number)).collect());
    let planned: Vec<Vec<Option<u64>>> = units.collect();
    let reported: Vec<Vec<Option<u64>>> = chunk.groups.iter().map(|group| group.units.clone()).collect();
    let promise = format!("groups and units as planned on the host: {planned:?}");
    check(planned == reported, promise, &seen.transcript)?;
    let sizes = chunk.sizes;
    let seen_sizes = [
        sizes.static_size,
        sizes.reserved_size,
        sizes.dyn_size,
        sizes.unit_size,
        sizes.alloc_size,
        sizes.atom_size,
        sizes.units_per_alloc,
    ];
    let planned_sizes = [
        info.static_size(),
        info.reserved_size(),
        info.dyn_size(),
        info.unit_size(),
        info.alloc_size(),
        info.atom_size(),
        info.units_per_alloc() as u64,
    ];
    let promise = format!("sizes as planned on the host: {planned_sizes:?}, not {seen_sizes:?}");
    check(planned_sizes == seen_sizes, promise, &seen.transcript)?;
    let aligned = planned_sizes.iter().take(3).all(|size| size.is_multiple_of(PAGE));
    check(aligned, "all parts end at page borders", &seen.transcript)?;
    for cpu in &chunk.cpus {
        let index = info
            .unit_index(CpuId::new(cpu.cpu as u16))
            .map(|index| index as u64);
        let promise = format!("CPU {} has unit {index:?}", cpu.cpu);
        check(index == Some(cpu.unit_index), promise, &seen.transcript)?;
    }
    let cpus: Vec<u64> = chunk.cpus.iter().map(|cpu| cpu.cpu).collect();
    let all: Vec<u64> = (0..seen.machine.possible_cpus().into()).collect();
    check(
        cpus == all,
        "every possible CPU is told once, in order",
        &seen.transcript,
    )
}

pub fn line(case: &Case, seen: &Witness) -> Result<(), Failed> {
    let nodes = topology(&seen.machine)?.node_count();
    let first = format!(
        "percpu: NR_CPUS:256 nr_cpumask_bits:256 nr_cpu_ids:{} nr_node_ids:{nodes}",
        seen.machine.possible_cpus()
    );
    check(
        seen.transcript.find(&first).is_some(),
        format!("`{first}`"),
        &seen.transcript,
    )?;
    let info = plan(&seen.machine, &seen.chunk)?;
    let planned = match case.builder {
        "embed" => info.embed_report().to_string(),
        "page" => info.page_report().to_string(),
        _ => format!("UP, the template is the copy, s0 r0 d{0} u{0}", info.unit_size()),
    };
    let promise = format!("the host reports `{planned}`, not `{}`", seen.chunk.report);
    check(planned == seen.chunk.report, promise, &seen.transcript)
}

/// Founders of groups, or all CPUs where each asks for its own pages (M2).
pub fn memoryless(case: &Case, seen: &Witness) -> Result<(), Failed> {
    let topology = topology(&seen.machine)?;
    let info = plan(&seen.machine, &seen.chunk)?;
    let askers: Vec<CpuId> = match (case.builder, seen.chunk.builder.setup.as_str()) {
        ("page", _) => info.cpus().collect(),
        ("embed", "x86") => info
            .groups()
            .filter_map(|group| group.cpus().first().copied())
            .collect(),
        _ => Vec::new(),
    };
    let node = |cpu: &CpuId| topology.node_of_cpu(*cpu).unwrap_or_default();
    let without = askers.iter().filter(|cpu| !topology.has_memory(node(cpu)));
    let expected: Vec<String> = without
        .map(|cpu| format!("percpu: cpu {cpu} has no node {} or node-local memory", node(cpu)))
        .collect();
    let lines = seen.transcript.lines.iter().map(|line| line.trim());
    let told: Vec<&str> = lines
        .filter(|line| line.contains("or node-local memory"))
        .collect();
    check(told == expected, format!("told: {expected:?}"), &seen.transcript)
}

/// Of every unit that does not lie where its CPU is, and of no other; the generic set-up expects nothing else.
pub fn remote(_: &Case, seen: &Witness) -> Result<(), Failed> {
    let all = seen.chunk.size_sum() / PAGE;
    let is_told = seen.chunk.builder.setup == "x86";
    let remote = seen
        .chunk
        .cpus
        .iter()
        .filter(|cpu| is_told && cpu.remote_pages > 0);
    let expected: Vec<String> = remote
        .map(|cpu| {
            format!(
                "percpu: cpu {}: {} of {all} pages of its unit are remote",
                cpu.cpu, cpu.remote_pages
            )
        })
        .collect();
    let lines = seen.transcript.lines.iter().map(|line| line.trim());
    let told: Vec<&str> = lines
        .filter(|line| line.ends_with("pages of its unit are remote"))
        .collect();
    check(told == expected, format!("told: {expected:?}"), &seen.transcript)
}

pub fn frames(_: &Case, seen: &Witness) -> Result<(), Failed> {
    let topology = topology(&seen.machine)?;
    let memory = seen.machine.memory_of_nodes()?;
    let mut units: BTreeMap<u64, u64> = BTreeMap::new();
    for (node, pages) in seen.pages_by_node(&topology)? {
        *units.entry(node).or_default() += pages;
    }
    for (node, frames) in (0..).zip(&seen.chunk.frames) {
        let sum = frames.free + frames.units + frames.tables + frames.heap;
        let promise = format!("{frames:?}: what was there at boot is free or used");
        check(
            frames.node == node && frames.at_boot == sum,
            promise,
            &seen.transcript,
        )?;
        let bytes = memory.get(node as usize).copied().unwrap_or(0);
        let taken = if seen.machine.uefi {
            TAKEN_BY_UEFI
        } else {
            TAKEN_AT_BOOT
        };
        let all = bytes.saturating_sub(taken) / PAGE..=bytes / PAGE;
        let promise = format!("node {node} had {all:?} frames at boot, not {}", frames.at_boot);
        check(all.contains(&frames.at_boot), promise, &seen.transcript)?;
        let expected = units.get(&node).copied().unwrap_or(0);
        let promise = format!(
            "units take {expected} frames of node {node}, not {}",
            frames.units
        );
        check(frames.units == expected, promise, &seen.transcript)?;
    }
    check(
        seen.chunk.frames.len() == topology.node_count(),
        "every node's frames are told",
        &seen.transcript,
    )
}

/// Filler units and tails, byte for byte; of single pages none is spare.
pub fn given_back(case: &Case, seen: &Witness) -> Result<(), Failed> {
    let info = plan(&seen.machine, &seen.chunk)?;
    let base = seen
        .chunk
        .cpus
        .iter()
        .min_by_key(|cpu| cpu.unit_offset)
        .ok_or("no CPU")?;
    let base = base.phys - base.unit_offset;
    let spare = info.spare_ranges().map(|range| (base + range.offset, range.size));
    let expected: Vec<(u64, u64)> = match case.builder {
        "embed" => spare.collect(),
        _ => Vec::new(),
    };
    let told: Vec<(u64, u64)> = seen
        .chunk
        .given_back
        .iter()
        .map(|range| (range.phys, range.size))
        .collect();
    check(
        told == expected,
        format!("given back: {expected:x?}, not {told:x?}"),
        &seen.transcript,
    )
}

/// Present CPUs report, absent ones have units all the same.
pub fn online(_: &Case, seen: &Witness) -> Result<(), Failed> {
    let present: Vec<u64> = (0..seen.machine.cpus().into()).collect();
    let online: Vec<u64> = seen.chunk.online.iter().map(|online| online.cpu).collect();
    check(
        online == present,
        format!("online: {present:?}, not {online:?}"),
        &seen.transcript,
    )?;
    let told = seen
        .chunk
        .cpus
        .iter()
        .filter(|cpu| cpu.present)
        .map(|cpu| cpu.cpu);
    let told: Vec<u64> = told.collect();
    check(
        told == present,
        format!("present: {present:?}, not {told:?}"),
        &seen.transcript,
    )?;
    let (count, possible) = (present.len(), seen.machine.possible_cpus());
    let line = format!("cpus: {count} of {count} online, {possible} possible");
    check(
        seen.transcript.find(&line).is_some(),
        format!("`{line}`"),
        &seen.transcript,
    )
}
