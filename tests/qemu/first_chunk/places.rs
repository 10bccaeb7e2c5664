//! Where units lie, by the kernel's word and by what can be seen from outside.

use std::collections::HashSet;

use abi::window::{DEFAULT_STRIDE, WINDOW_BASE};
use libtest_mimic::Failed;
use percpu_core::{CpuId, NodeId};
use selion_tests::{Asked, Cpu, plan, serving_node, topology};

use crate::lab::check;
use crate::machines::Case;
use crate::witness::Witness;

const PAGE: u64 = 4096;
/// Where units of single pages lie: the entry of the PML4 below the kernel image's.
pub const AREA: u64 = 0xffff_ff00_0000_0000;
/// What old devices can reach.
const OLD_DEVICES: u64 = 16 << 20;
/// Where all physical memory is mapped.
const PHYSICAL_MAP: u64 = 0xffff_8000_0000_0000;

pub fn placement(case: &Case, seen: &Witness) -> Result<(), Failed> {
    let (chunk, info) = (&seen.chunk, plan(&seen.machine, &seen.chunk)?);
    for (group, reported) in info.groups().zip(&chunk.groups) {
        let planned = (group.base_offset(), group.size());
        let promise = format!("{reported:x?} where the group lies: {planned:x?}");
        check(
            planned == (reported.base_offset, reported.size),
            promise,
            &seen.transcript,
        )?;
    }
    let ends = chunk.groups.iter().max_by_key(|group| group.base_offset);
    let distance = ends.map(|group| group.base_offset + group.size);
    let promise = format!("max_distance {distance:?}");
    check(
        distance == Some(chunk.place.max_distance),
        promise,
        &seen.transcript,
    )?;
    for (cpu, reported) in info.cpus().zip(&chunk.cpus) {
        let offset = info.unit_offset(cpu).ok_or("a CPU without a unit")?.bytes();
        let expected = chunk.place.base + offset;
        let promise = format!("unit_base {expected:#x} for CPU {cpu}: chunk base plus unit offset");
        let is_there = expected == reported.unit_base && offset == reported.unit_offset;
        check(is_there, promise, &seen.transcript)?;
        let gs_base = gs_base(seen, reported);
        let promise = format!("gs_base {gs_base:#x} for CPU {cpu}: unit base minus template start");
        check(gs_base == reported.gs_base, promise, &seen.transcript)?;
        // These machines have room where old devices cannot reach.
        let is_high = reported.phys >= OLD_DEVICES || case.builder == "page";
        check(
            is_high,
            format!("CPU {cpu}'s unit lies above 16 MiB"),
            &seen.transcript,
        )?;
        let in_area = reported.unit_base >= AREA;
        let linear = reported.unit_base == PHYSICAL_MAP.wrapping_add(reported.phys);
        let promise = format!("CPU {cpu}'s unit lies where {} puts it", case.builder);
        check(
            in_area == (case.builder == "page") && linear != in_area,
            promise,
            &seen.transcript,
        )?;
    }
    Ok(())
}

/// In kernel mode. Where the template is the copy, an address needs no base.
fn gs_base(seen: &Witness, cpu: &Cpu) -> u64 {
    match seen.chunk.builder.name.as_str() {
        "up" => 0,
        _ => cpu.unit_base.wrapping_sub(seen.chunk.place.template_start),
    }
}

/// On the node that the launcher put the CPU on, or on the nearest with memory; of an embedded chunk, on that of
/// the group's first CPU. The generic set-up asks the first node first.
pub fn nodes(case: &Case, seen: &Witness) -> Result<(), Failed> {
    let (topology, info) = (topology(&seen.machine)?, plan(&seen.machine, &seen.chunk)?);
    let asked = Asked::of(&seen.machine)?;
    for cpu in &seen.chunk.cpus {
        let put = seen.machine.node_of_apic_id(cpu.apic as u32).map(u64::from);
        let promise = format!("CPU {} was put on node {put:?} by the launcher", cpu.cpu);
        check(put == Some(cpu.node), promise, &seen.transcript)?;
        let id = CpuId::new(cpu.cpu as u16);
        let group = info
            .group_of(id)
            .and_then(|group| info.group(group))
            .ok_or("a CPU without a group")?;
        let asker = match case.builder {
            "embed" => group.cpus().first().copied().unwrap_or(id),
            _ => id,
        };
        let wanted = match asked.is_generic {
            true => NodeId::FIRST,
            false => topology.node_of_cpu(asker).ok_or("a CPU without a node")?,
        };
        let serving = serving_node(&topology, wanted);
        let last = match case.builder {
            "page" => PAGE - 1,
            _ => seen.chunk.size_sum() - 1,
        };
        for byte in [0, last] {
            let node = topology.node_of_address(cpu.phys + byte);
            let promise = format!(
                "byte {byte} of CPU {}'s unit lies on node {node:?}, not {serving:?}",
                cpu.cpu
            );
            check(node == serving, promise, &seen.transcript)?;
        }
        let is_remote = serving.map(|node| u64::from(node.get())) != Some(cpu.node);
        let remote = if is_remote {
            seen.chunk.size_sum() / PAGE
        } else {
            0
        };
        let promise = format!("{remote} pages of CPU {}'s unit are remote", cpu.cpu);
        check(remote == cpu.remote_pages, promise, &seen.transcript)?;
    }
    Ok(())
}

pub fn disjoint(case: &Case, seen: &Witness) -> Result<(), Failed> {
    let unit = seen.chunk.sizes.unit_size;
    let addresses: &[fn(&Cpu) -> u64] = match case.builder {
        // Its pages lie anywhere.
        "page" => &[|cpu| cpu.unit_base],
        _ => &[|cpu| cpu.unit_base, |cpu| cpu.phys],
    };
    for address in addresses {
        let mut starts: Vec<u64> = seen.chunk.cpus.iter().map(address).collect();
        starts.sort_unstable();
        let apart = starts.windows(2).all(|pair| pair[1] - pair[0] >= unit);
        check(apart, "units do not overlap", &seen.transcript)?;
        let aligned = starts.iter().all(|start| start.is_multiple_of(PAGE));
        check(aligned, "units begin at pages", &seen.transcript)?;
    }
    Ok(())
}

/// Both answers at both sides of every border, worked out from where the units are.
pub fn addresses(case: &Case, seen: &Witness) -> Result<(), Failed> {
    let chunk = &seen.chunk;
    let first = chunk.cpus.first().ok_or("no CPU")?.unit_base;
    for told in &chunk.addresses {
        let owner = chunk.cpus.iter().find_map(|cpu| {
            let offset = told.address.checked_sub(cpu.unit_base)?;
            (offset < chunk.kept_bytes()).then_some((cpu, offset))
        });
        let of_static = owner.filter(|(_, offset)| *offset < chunk.sizes.static_size);
        let static_of = of_static.map(|(cpu, _)| cpu.cpu);
        let canonical = of_static.map(|(_, offset)| first + offset);
        let promise =
            format!("{told:x?}: in the static part of CPU {static_of:?}, {canonical:x?} on the boot CPU");
        check(
            told.static_of == static_of
                && told.canonical == canonical
                && told.is_percpu == static_of.is_some(),
            promise,
            &seen.transcript,
        )?;
        // Of single pages only the first one's frame is told.
        let is_known = case.builder != "page" || owner.is_none_or(|(_, offset)| offset < PAGE);
        let phys = owner.map(|(cpu, offset)| cpu.phys + offset);
        let right = told.phys == phys || !is_known && told.phys.is_some();
        check(right, format!("{told:x?}: physical {phys:x?}"), &seen.transcript)?;
    }
    let borders = 6 * chunk.cpus.len();
    check(
        chunk.addresses.len() > borders,
        "every unit's borders are told",
        &seen.transcript,
    )
}

/// Where a program's window lies, and how far apart its units are: the same in every program.
fn user_gs_base(cpu: u64) -> u64 {
    WINDOW_BASE + cpu * DEFAULT_STRIDE
}

pub fn gs_bases(seen: &Witness) -> Result<(), Failed> {
    let present = || seen.chunk.cpus.iter().filter(|cpu| cpu.present);
    check(
        present().count() == seen.registers.len(),
        "QEMU and the kernel have the same CPUs",
        &seen.transcript,
    )?;
    let numbers = seen.machine.apic_ids();
    for cpu in present() {
        let number = numbers.iter().position(|apic| u64::from(*apic) == cpu.apic);
        let outside = number.and_then(|number| seen.registers.get(number));
        let outside = outside.ok_or("an APIC id that QEMU does not have")?;
        let expected = match outside.privilege {
            0 => gs_base(seen, cpu),
            _ => user_gs_base(cpu.cpu),
        };
        let promise = format!(
            "CPU {}: GS base {expected:#x}, but QEMU shows {outside:x?}",
            cpu.cpu
        );
        check(outside.gs_base == expected, promise, &seen.transcript)?;
    }
    let different: HashSet<u64> = seen.registers.iter().map(|cpu| cpu.gs_base).collect();
    check(
        different.len() == seen.registers.len(),
        "no two CPUs have the same GS base",
        &seen.transcript,
    )
}
