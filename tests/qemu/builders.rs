//! Who builds the first chunk: what the command line chooses, what happens when embedding fails, and a first
//! chunk of single pages, checked from outside.

use libtest_mimic::{Failed, Trial};
use run_qemu::{Machine, Status, Transcript};
use selion_tests::{FirstChunk, topology};

use crate::lab::{TIME_LIMIT, boot, check, check_ending, start, with_append};
use crate::machines::case;

const PAGE: u64 = 4096;
const MIB: u64 = 1 << 20;
/// The smallest dynamic part: units of single pages have no larger one (P1).
const DYNAMIC: u64 = 20 << 10;
/// Where units of single pages lie: the entry of the PML4 below the kernel image's.
const AREA: u64 = 0xffff_ff00_0000_0000;

type Test = fn() -> Result<(), Failed>;

pub fn trials() -> Vec<Trial> {
    let tests: [(&str, Test); 10] = [
        ("embed::lies_low_if_there_is_no_room_above", low),
        ("page::keeps_every_page_on_its_cpus_node", nodes),
        ("page::ignores_the_size_of_the_dynamic_part", no_dynamic),
        ("page::without_memory_ends_the_boot", no_pages),
        ("fallback::groups_too_far_apart_become_pages", too_far),
        (
            "fallback::three_quarters_of_the_range_are_accepted",
            three_quarters,
        ),
        ("fallback::what_embedding_took_is_free_again", given_back),
        ("fallback::a_group_without_memory_becomes_pages", no_memory),
        ("generic::has_no_pages_to_fall_back_to", generic_too_far),
        ("generic::without_memory_ends_the_boot", generic_without_memory),
    ];
    tests
        .map(|(name, test)| Trial::test(format!("builders::{name}"), test))
        .into()
}

/// Follows the page table of the running kernel, page by page.
fn nodes() -> Result<(), Failed> {
    let machine = Machine {
        nodes: vec![3, 5],
        ..with_append("percpu_alloc=page hold")
    };
    let mut booted = start(&machine, &["counter"], TIME_LIMIT)?;
    booted.session.wait_for("holding")?;
    let chunk = FirstChunk::read(booted.session.lines())?;
    let mut seen = Vec::new();
    for cpu in &chunk.cpus {
        for page in (0..chunk.sizes.unit_size).step_by(PAGE as usize) {
            let address = cpu.unit_base + page;
            let answer = booted.session.monitor(&format!("gva2gpa {address:#x}"))?;
            seen.push((cpu, page, answer.trim().to_string()));
        }
    }
    let transcript = booted.session.quit();
    let topology = topology(&machine)?;
    let mut frames = Vec::new();
    for (cpu, page, answer) in seen {
        let physical = answer.strip_prefix("gpa: 0x");
        let physical = physical.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let physical = physical.ok_or(format!("byte {page:#x} of CPU {}'s unit: {answer}", cpu.cpu))?;
        let node = topology.node_of_address(physical).map(|node| node.get().into());
        let promise = format!(
            "byte {page:#x} of CPU {}'s unit at {physical:#x}, node {node:?}",
            cpu.cpu
        );
        check(node == Some(cpu.node), &promise, &transcript)?;
        check(page != 0 || physical == cpu.phys, &promise, &transcript)?;
        frames.push(physical);
    }
    let count = frames.len();
    frames.sort_unstable();
    frames.dedup();
    check(
        frames.len() == count && count > 0,
        "every page has a frame of its own",
        &transcript,
    )
}

fn no_dynamic() -> Result<(), Failed> {
    let said = "percpu: percpu_kernel=16384: no more fits here";
    let (transcript, chunk) = works("percpu_alloc=page percpu_dynamic=64K percpu_kernel=32K")?;
    check(
        chunk.sizes.dyn_size == DYNAMIC,
        "the smallest dynamic part",
        &transcript,
    )?;
    check(
        transcript.find(said).is_some(),
        format!("`{said}` is said"),
        &transcript,
    )
}

/// Whatever fails last ends the boot, with the number of its reason (D4).
fn no_pages() -> Result<(), Failed> {
    let machine = Machine {
        memory: 128 * MIB,
        ..with_append("percpu_alloc=page percpu_reserve=50M")
    };
    let transcript = boot(&machine, &["counter"], TIME_LIMIT)?;
    check_ending(Status::Panic, &transcript)?;
    for words in [
        "percpu: failed to allocate 4K page for cpu2",
        "cannot initialize percpu area (err=-12)",
    ] {
        check(
            transcript.find(words).is_some(),
            format!("`{words}`"),
            &transcript,
        )?;
    }
    Ok(())
}

fn too_far() -> Result<(), Failed> {
    let distance = span_of_four()?;
    for (append, name) in [("", "auto"), ("percpu_alloc=embed", "embed")] {
        let (transcript, chunk) = works(&format!("percpu_span_limit=64M {append}"))?;
        let range = 64 * MIB;
        let warning = format!("percpu: max_distance={distance:#x} too large for vmalloc space {range:#x}");
        check(
            transcript.find(&warning).is_some(),
            format!("`{warning}` is said"),
            &transcript,
        )?;
        fell_back(name, -22, &transcript, &chunk)?;
    }
    Ok(())
}

/// Exactly three quarters, rounded down, are accepted; a byte less is not (M4).
fn three_quarters() -> Result<(), Failed> {
    let smallest = (span_of_four()? * 4).div_ceil(3);
    let (transcript, chunk) = works(&format!("percpu_span_limit={smallest}"))?;
    check(
        chunk.report.starts_with("Embedded "),
        "just near enough",
        &transcript,
    )?;
    let (transcript, chunk) = works(&format!("percpu_span_limit={}", smallest - 1))?;
    fell_back("auto", -22, &transcript, &chunk)
}

/// From the lowest group's start to the end of the one that starts highest.
fn span_of_four() -> Result<u64, Failed> {
    let chunk = &case("4_on_2+2").witness()?.chunk;
    let highest = chunk.groups.iter().max_by_key(|group| group.base_offset);
    let highest = highest.ok_or("no group")?;
    Ok(highest.base_offset + highest.units.len() as u64 * chunk.sizes.unit_size)
}

fn given_back() -> Result<(), Failed> {
    let (refused, _) = works("percpu_span_limit=1M")?;
    as_if_never_tried(&Machine::default(), &refused)
}

/// init is told all frames that are free: as many as if embedding had never been tried.
fn as_if_never_tried(machine: &Machine, refused: &Transcript) -> Result<(), Failed> {
    let (paged, _) = works_on(&Machine {
        append: format!("{} percpu_alloc=page", machine.append),
        ..machine.clone()
    })?;
    let free = |transcript: &Transcript| transcript.find("init: ").map(String::from);
    let promise = format!("as many frames as with {:?}", free(&paged));
    check(
        free(&paged).is_some() && free(&paged) == free(refused),
        promise,
        refused,
    )
}

/// The first group gets memory, and the second none: three units in one piece are more than a node has. As
/// single pages all fit, the last CPU's partly on the other node.
fn no_memory() -> Result<(), Failed> {
    let machine = Machine {
        nodes: vec![1, 3],
        memory: 180 * MIB,
        ..with_append("percpu_reserve=30M")
    };
    let (transcript, chunk) = works_on(&machine)?;
    let said = transcript.find("percpu: no 100663296 bytes for group 1");
    check(said.is_some(), "it is told which group", &transcript)?;
    let said = transcript
        .find("percpu: cpu 3: ")
        .filter(|line| line.contains("pages of its unit are remote"));
    check(
        said.is_some(),
        "the last CPU's unit is partly remote",
        &transcript,
    )?;
    fell_back("auto", -12, &transcript, &chunk)?;
    as_if_never_tried(&machine, &transcript)
}

/// Two units of 16 MiB, and less than 32 MiB above the first 16.
fn low() -> Result<(), Failed> {
    let machine = Machine {
        nodes: vec![2],
        memory: 48 * MIB,
        ..with_append("percpu_reserve=14M first_chunk_only")
    };
    let (transcript, chunk) = works_on(&machine)?;
    let lowest = chunk.cpus.iter().map(|cpu| cpu.phys).min();
    let promise = format!("embedded, from below 16 MiB on: {lowest:x?}");
    let is_low = lowest.is_some_and(|lowest| lowest < 16 * MIB);
    check(is_low && chunk.builder.name == "embed", promise, &transcript)
}

/// It warns and goes on (M4).
fn generic_too_far() -> Result<(), Failed> {
    let (transcript, chunk) = works("percpu_setup=generic percpu_span_limit=4K")?;
    let distance = chunk.place.max_distance;
    let warning = format!("percpu: max_distance={distance:#x} too large for vmalloc space 0x1000");
    check(
        transcript.find(&warning).is_some(),
        format!("`{warning}`"),
        &transcript,
    )?;
    check(
        chunk.report.starts_with("Embedded "),
        "embedded all the same",
        &transcript,
    )
}

fn generic_without_memory() -> Result<(), Failed> {
    let machine = Machine {
        memory: 128 * MIB,
        ..with_append("percpu_setup=generic percpu_reserve=50M")
    };
    let transcript = boot(&machine, &["counter"], TIME_LIMIT)?;
    check_ending(Status::Panic, &transcript)?;
    let words = "Failed to initialize percpu areas.";
    check(
        transcript.find(words).is_some(),
        format!("`{words}`"),
        &transcript,
    )
}

fn fell_back(name: &str, error: i32, transcript: &Transcript, chunk: &FirstChunk) -> Result<(), Failed> {
    let words = format!("percpu: {name} allocator failed ({error}), falling back to page size");
    check(
        transcript.find(&words).is_some(),
        format!("`{words}` is said"),
        transcript,
    )?;
    let in_area = chunk.cpus.iter().all(|cpu| cpu.unit_base >= AREA);
    check(
        in_area && !chunk.cpus.is_empty(),
        "units of single pages",
        transcript,
    )
}

/// The counter's run on such a first chunk: statics, reserved and dynamic cells with exact sums.
fn works(append: &str) -> Result<(Transcript, FirstChunk), Failed> {
    works_on(&with_append(append))
}

fn works_on(machine: &Machine) -> Result<(Transcript, FirstChunk), Failed> {
    let transcript = boot(machine, &["counter"], TIME_LIMIT)?;
    check_ending(Status::Ok, &transcript)?;
    let chunk = FirstChunk::read(&transcript.lines).map_err(|error| format!("{error}\n{transcript}"))?;
    Ok((transcript, chunk))
}
