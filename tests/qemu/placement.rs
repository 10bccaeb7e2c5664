//! Where the pages of running programs lie, by their page tables read from outside: on the node of their CPU,
//! and never in two programs.
//!
//! More counters than the first chunk has dynamic pages, so that pages are met which the server had made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use abi::window::{DEFAULT_STRIDE, WINDOW_BASE};
use libtest_mimic::{Failed, Trial};
use run_qemu::{Machine, Session, Transcript};
use selion_tests::{FirstChunk, Page, Registers, mapped, topology};

use crate::lab::{TIME_LIMIT, check, start};
use crate::moments::moment;

/// Programs at once.
const COUNTERS: usize = 6;
/// Moments until all of them should have been met.
const MOST_MOMENTS: usize = 400;
const PAGE: u64 = 4096;
/// A unit of the counter: header, static part, a reserved and a dynamic region.
const PAGES_OF_A_UNIT: usize = 4;

/// The windows of programs, by the root of their page tables.
type Windows = BTreeMap<u64, Vec<Page>>;

struct Seen {
    windows: Windows,
    chunk: FirstChunk,
    run: Transcript,
}

pub fn trials() -> Vec<Trial> {
    let trial = |name: &str, check: fn(&Seen) -> Result<(), Failed>| {
        Trial::test(format!("placement::{name}"), move || check(seen()?))
    };
    vec![
        trial("every_page_lies_on_its_cpus_node", nodes),
        trial("no_page_is_mapped_in_two_programs", disjoint),
        trial("programs_read_the_header_and_write_the_rest", access),
    ]
}

fn machine() -> Machine {
    Machine {
        nodes: vec![1, 2],
        ..Machine::default()
    }
}

fn seen() -> Result<&'static Seen, Failed> {
    static SEEN: OnceLock<Result<Seen, String>> = OnceLock::new();
    let seen =
        SEEN.get_or_init(|| observe().map_err(|failed| failed.message().unwrap_or_default().to_string()));
    seen.as_ref().map_err(Failed::from)
}

fn observe() -> Result<Seen, Failed> {
    let mut booted = start(&machine(), &["counter:adds=100000000"; COUNTERS], TIME_LIMIT)?;
    let windows = look(&mut booted.session);
    let run = booted.session.quit();
    let windows = windows.map_err(|failed| format!("{}\n{run}", failed.message().unwrap_or_default()))?;
    let all = windows.len() == COUNTERS;
    check(
        all,
        format!("{COUNTERS} programs with whole windows, not {}", windows.len()),
        &run,
    )?;
    Ok(Seen {
        windows,
        chunk: FirstChunk::read(&run.lines)?,
        run,
    })
}

fn look(session: &mut Session) -> Result<Windows, Failed> {
    session.wait_for("reading add+nop")?;
    let mut windows = Windows::new();
    for _ in 0..MOST_MOMENTS {
        moment(session, |session, cpus| add_windows(&mut windows, session, cpus))?;
        if windows.len() == COUNTERS {
            break;
        }
    }
    Ok(windows)
}

/// Adds those of the programs that CPUs run now, once their windows are whole.
fn add_windows(windows: &mut Windows, session: &mut Session, cpus: &[Registers]) -> Result<(), Failed> {
    let units = machine().cpus() as usize;
    let window = WINDOW_BASE..WINDOW_BASE + units as u64 * DEFAULT_STRIDE;
    for cpu in cpus.iter().filter(|cpu| cpu.privilege == 3) {
        if windows.contains_key(&cpu.cr3) {
            continue;
        }
        let pages = mapped(cpu.cr3, window.clone(), |table| {
            session.physical(table, PAGE as usize)
        })?;
        if pages.len() == PAGES_OF_A_UNIT * units {
            windows.insert(cpu.cr3, pages);
        }
    }
    Ok(())
}

/// The pages of all programs without the header pages, which are the kernel's.
fn own_pages(seen: &Seen) -> impl Iterator<Item = &Page> {
    seen.windows.values().flatten().filter(|page| !is_header(page))
}

fn is_header(page: &Page) -> bool {
    (page.address - WINDOW_BASE).is_multiple_of(DEFAULT_STRIDE)
}

fn nodes(seen: &Seen) -> Result<(), Failed> {
    let (topology, nodes) = (topology(&machine())?, machine().node_of_cpus());
    let unit = seen.chunk.sizes.unit_size;
    let in_first_chunk = |phys: u64| {
        seen.chunk
            .cpus
            .iter()
            .any(|cpu| (cpu.phys..cpu.phys + unit).contains(&phys))
    };
    let mut made_later = 0;
    for page in own_pages(seen) {
        let cpu = (page.address - WINDOW_BASE) / DEFAULT_STRIDE;
        let node = topology
            .node_of_address(page.phys)
            .map(|node| u32::from(node.get()));
        let right = node == nodes.get(cpu as usize).copied();
        check(
            right,
            format!("CPU {cpu}'s {page:x?} lies on node {node:?}"),
            &seen.run,
        )?;
        made_later += u32::from(!in_first_chunk(page.phys));
    }
    check(
        made_later > 0,
        "some pages lie outside the first chunk's units",
        &seen.run,
    )
}

fn disjoint(seen: &Seen) -> Result<(), Failed> {
    let frames: BTreeSet<u64> = own_pages(seen).map(|page| page.phys).collect();
    let pages = own_pages(seen).count();
    check(
        frames.len() == pages,
        format!("{pages} pages of programs are as many frames"),
        &seen.run,
    )
}

fn access(seen: &Seen) -> Result<(), Failed> {
    for page in seen.windows.values().flatten() {
        let right = page.is_user && page.is_writable != is_header(page) && page.bytes == PAGE;
        check(
            right,
            format!("the header is read-only, the rest is not: {page:x?}"),
            &seen.run,
        )?;
    }
    let headers: BTreeSet<Vec<u64>> = seen
        .windows
        .values()
        .map(|pages| {
            pages
                .iter()
                .filter(|page| is_header(page))
                .map(|page| page.phys)
                .collect()
        })
        .collect();
    check(
        headers.len() == 1,
        "the header pages are the same in every program",
        &seen.run,
    )
}
