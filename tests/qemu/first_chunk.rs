//! The first chunk, checked from outside: against `percpu-core` on the host, against the machine that the
//! launcher laid out, and against the registers that QEMU shows.

use std::collections::HashSet;

use abi::window::{DEFAULT_STRIDE, WINDOW_BASE};
use libtest_mimic::{Failed, Trial};
use selion_tests::{Cpu, plan, topology};

use crate::lab::check;
use crate::witness::{Shared, Witness, eight, four, qemu64};

/// Linux's 8 KiB would serve two programs: static parts are page-grained here.
const RESERVED: u64 = 128 << 10;
/// Linux's default for the dynamic part.
const DYNAMIC_AT_LEAST: u64 = 28 << 10;
const PAGE: u64 = 4096;

type Check = fn(&Witness) -> Result<(), Failed>;

pub fn trials() -> Vec<Trial> {
    let checks: [(&str, Check); 6] = [
        ("is_shaped_as_the_host_shapes_it", shape),
        ("reports_the_line_that_linux_reports", report),
        ("puts_groups_where_their_memory_is", placement),
        ("keeps_every_unit_on_its_cpus_node", nodes),
        ("keeps_units_apart", disjoint),
        ("is_what_every_gs_base_points_to", gs_bases),
    ];
    let shapes: [(&str, Shared); 3] = [("4_on_2+2", four), ("8_on_3+5", eight), ("qemu64", qemu64)];
    let trial = |shape: &'static str, shared: Shared, name: &'static str, check: Check| {
        Trial::test(format!("first_chunk::{shape}::{name}"), move || check(shared()?))
    };
    shapes
        .iter()
        .flat_map(|(shape, shared)| checks.map(|(name, check)| trial(shape, *shared, name, check)))
        .collect()
}

fn shape(seen: &Witness) -> Result<(), Failed> {
    let chunk = &seen.chunk;
    let info = plan(&seen.machine, &chunk.sizes)?;
    let planned: Vec<Vec<Option<u64>>> = info
        .groups()
        .map(|group| {
            group
                .cpu_map()
                .map(|cpu| cpu.map(|cpu| cpu.get().into()))
                .collect()
        })
        .collect();
    let reported: Vec<Vec<Option<u64>>> = chunk.groups.iter().map(|group| group.units.clone()).collect();
    let promise = format!("groups and units as planned on the host: {planned:?}");
    check(planned == reported, promise, &seen.transcript)?;
    let cpus: Vec<u64> = chunk.cpus.iter().map(|cpu| cpu.cpu).collect();
    let all: Vec<u64> = (0..seen.machine.cpus().into()).collect();
    check(
        cpus == all,
        "every CPU is reported once, in order",
        &seen.transcript,
    )
}

fn report(seen: &Witness) -> Result<(), Failed> {
    let (sizes, template) = (seen.chunk.sizes, &seen.chunk.template);
    let planned = plan(&seen.machine, &sizes)?.embed_report().to_string();
    check(
        planned == seen.chunk.embedded,
        format!("the host reports `{planned}`"),
        &seen.transcript,
    )?;
    let linked = template.end - template.start;
    check(
        sizes.static_size == linked,
        format!("the template has {linked} bytes"),
        &seen.transcript,
    )?;
    check(
        sizes.reserved_size == RESERVED,
        format!("{RESERVED} bytes are reserved"),
        &seen.transcript,
    )?;
    let enough = sizes.dyn_size >= DYNAMIC_AT_LEAST;
    check(
        enough,
        format!("at least {DYNAMIC_AT_LEAST} bytes are dynamic"),
        &seen.transcript,
    )?;
    let borders = [sizes.static_size, sizes.reserved_size, sizes.dyn_size];
    let aligned = borders.iter().all(|size| size.is_multiple_of(PAGE));
    check(
        aligned,
        "static, reserved and dynamic part end at page borders",
        &seen.transcript,
    )
}

fn placement(seen: &Witness) -> Result<(), Failed> {
    let chunk = &seen.chunk;
    let mut info = plan(&seen.machine, &chunk.sizes)?;
    let first = |group: percpu_core::Group<'_>| {
        let founder = group.cpus().first()?.index();
        chunk.cpus.get(founder).map(|cpu| cpu.unit_base)
    };
    let starts: Option<Vec<u64>> = info.groups().map(first).collect();
    let starts = starts.ok_or("a group without a reported founder")?;
    let placed = info.place_groups(&starts).map_err(|error| error.to_string())?;
    for (group, reported) in info.groups().zip(&chunk.groups) {
        let promise = format!("base_offset {:#x} where the group lies", group.base_offset());
        check(
            group.base_offset() == reported.base_offset,
            promise,
            &seen.transcript,
        )?;
    }
    for (cpu, reported) in info.cpus().zip(&chunk.cpus) {
        let offset = info.unit_offset(cpu).ok_or("a CPU without a unit")?.bytes();
        let expected = placed.base + offset;
        let promise = format!("unit_base {expected:#x} for CPU {cpu}: chunk base plus unit offset");
        check(expected == reported.unit_base, promise, &seen.transcript)?;
        let gs_base = reported.unit_base.wrapping_sub(chunk.template.start);
        let promise = format!("gs_base {gs_base:#x} for CPU {cpu}: unit base minus template start");
        check(gs_base == reported.gs_base, promise, &seen.transcript)?;
    }
    Ok(())
}

fn nodes(seen: &Witness) -> Result<(), Failed> {
    let topology = topology(&seen.machine)?;
    for cpu in &seen.chunk.cpus {
        let asked = u32::try_from(cpu.apic)?;
        let asked = seen.machine.node_of_apic_id(asked).map(u64::from);
        let promise = format!("CPU {} was put on node {asked:?} by the launcher", cpu.cpu);
        check(asked == Some(cpu.node), promise, &seen.transcript)?;
        for byte in [0, seen.chunk.sizes.unit_size - 1] {
            let node = topology
                .node_of_address(cpu.phys + byte)
                .map(|node| node.get().into());
            let promise = format!(
                "byte {byte} of CPU {}'s unit lies on node {node:?}, not its own",
                cpu.cpu
            );
            check(node == Some(cpu.node), promise, &seen.transcript)?;
        }
    }
    Ok(())
}

fn disjoint(seen: &Witness) -> Result<(), Failed> {
    let unit = seen.chunk.sizes.unit_size;
    for address in [|cpu: &Cpu| cpu.unit_base, |cpu: &Cpu| cpu.phys] {
        let mut starts: Vec<u64> = seen.chunk.cpus.iter().map(address).collect();
        starts.sort_unstable();
        let apart = starts.windows(2).all(|pair| pair[1] - pair[0] >= unit);
        check(apart, "units do not overlap", &seen.transcript)?;
        let aligned = starts.iter().all(|start| start.is_multiple_of(PAGE));
        check(aligned, "units begin at pages", &seen.transcript)?;
    }
    Ok(())
}

/// Where a program's window lies, and how far apart its units are: the same in every program.
fn user_gs_base(cpu: u64) -> u64 {
    WINDOW_BASE + cpu * DEFAULT_STRIDE
}

pub fn gs_bases(seen: &Witness) -> Result<(), Failed> {
    let cpus = &seen.chunk.cpus;
    check(
        cpus.len() == seen.registers.len(),
        "QEMU and the kernel have the same CPUs",
        &seen.transcript,
    )?;
    for cpu in cpus {
        let outside = seen
            .registers
            .get(cpu.apic as usize)
            .ok_or("an APIC id that QEMU does not have")?;
        let expected = match outside.privilege {
            0 => cpu.unit_base.wrapping_sub(seen.chunk.template.start),
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
        different.len() == cpus.len(),
        "no two CPUs have the same GS base",
        &seen.transcript,
    )
}
