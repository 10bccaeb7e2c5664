//! The map: this program's regions, with names, pages and frames.

use userlib::abi::percpu::map::{Kind, head};
use userlib::abi::percpu::{PercpuError, Request, name_of_words};
use userlib::abi::syscall::Placement;
use userlib::abi::{PAGE_SIZE, Rights};
use userlib::checks::Checks;
use userlib::memory::Memory;
use userlib::percpu::{self, Error, Map, Populate, Region, Tracer};
use userlib::{ipc, machine, process};

/// Checks everything in this file.
pub fn check(checks: &mut Checks) {
    let regions = [
        Region::reserve_named(PAGE_SIZE, 0, "map-reserved"),
        Region::create(3 * PAGE_SIZE, Populate::All, "map-dynamic"),
        Region::create(2 * PAGE_SIZE, Populate::OnTouch, "map-on-touch"),
        Region::create(2 * PAGE_SIZE, Populate::None, "map-none"),
    ];
    if let Some(cell) = regions[2].as_ref().ok().and_then(|region| region.cell::<u64>(0)) {
        cell.increment();
    }
    let Some(map) = checks.success("map", percpu::map(8)) else {
        return;
    };
    heads(checks, &map);
    let cpus = machine::possible_cpus() as u64;
    for (name, kind, pages, held, frames) in [
        ("map-reserved", Kind::Reserved as u64, 1, 1, cpus),
        ("map-dynamic", Kind::Dynamic as u64, 3, 3, 3 * cpus),
        ("map-on-touch", Kind::OnTouch as u64, 2, 2, 1),
        ("map-none", Kind::Dynamic as u64, 2, 0, 0),
    ] {
        checks.equal(name, entry(&map, name), Some([kind, pages, held, frames]));
    }
    for region in regions {
        checks.equal("map-destroy", region.and_then(Region::destroy), Ok(()));
    }
    if let Some(map) = checks.success("map-after", percpu::map(8)) {
        checks.equal("map-forgets", entry(&map, "map-dynamic"), None);
    }
    observed(checks);
    small_sheet(checks);
    buffers(checks);
}

fn heads(checks: &mut Checks, map: &Map) {
    let stats = percpu::stats();
    let told = [
        head::CLIENTS,
        head::REGIONS,
        head::RESERVED_USED,
        head::REFUSED,
        head::MALFORMED,
    ]
    .map(|at| map.head(at));
    let used = map.head(head::DYNAMIC_USED) + map.head(head::ON_TOUCH_USED);
    let counted = stats.map(|stats| {
        let words = [
            stats.clients,
            stats.regions,
            stats.reserved_used,
            stats.refused,
            stats.malformed,
        ];
        (words, stats.dynamic_used)
    });
    checks.equal("map-counts", Ok((told, used)), counted);
    let shape = [head::POSSIBLE_CPUS, head::NODES, head::STRIDE].map(|at| map.head(at));
    let own = [
        machine::possible_cpus() as u64,
        machine::nodes() as u64,
        machine::stride(),
    ];
    checks.equal("map-shape", shape, own);
}

/// Kind, pages, pages held and frames on all nodes of the region with this name.
fn entry(map: &Map, name: &str) -> Option<[u64; 4]> {
    let named = |words| {
        core::str::from_utf8(&name_of_words(words)).is_ok_and(|text| text.trim_end_matches('\0') == name)
    };
    let (index, entry) = map.entries().enumerate().find(|(_, entry)| named(entry.name))?;
    let frames = (0..machine::nodes()).map(|node| map.frames(index, node)).sum();
    Some([entry.kind, entry.pages, entry.held, frames])
}

/// Who owns what by name, and what has happened, is told to those who may observe: this program may not.
fn observed(checks: &mut Checks) {
    let denied = Error::Refused(PercpuError::NotPermitted);
    checks.equal("trace-not-permitted", Tracer::from(1).read().err(), Some(denied));
    let named = percpu::map(8).map(|map| map.owners().count());
    checks.equal("map-names-no-owners", named, Ok(0));
}

/// More regions than a page has room for: as many as fit, and how many there are.
fn small_sheet(checks: &mut Checks) {
    let regions = [(); 60].map(|()| Region::create(PAGE_SIZE, Populate::None, "many"));
    if let Some(map) = checks.success("map-small", percpu::map(1)) {
        let counts = [head::ENTRIES, head::ENTRIES_IN_ALL].map(|at| map.head(at));
        let is_cut = counts[0] < counts[1] && counts[1] >= 60 && counts[0] >= 40;
        checks.that("map-is-cut", is_cut, format_args!("{counts:?}"));
    }
    let destroyed = regions
        .into_iter()
        .filter_map(|region| region.and_then(Region::destroy).ok())
        .count();
    checks.equal("map-small-destroy", destroyed, 60);
}

/// Memory that the server cannot write to.
fn buffers(checks: &mut Checks) {
    let bad = Err(Error::Refused(PercpuError::BadBuffer(64)));
    let send = |handle| percpu::send(&Request::Map.encode().with_capability(handle)).map(drop);
    let per_cpu = Memory::create(process::own(), 1, Placement::PerCpu);
    if let Some(per_cpu) = checks.success("buffer-per-cpu-memory", per_cpu) {
        checks.equal("buffer-per-cpu", send(per_cpu.handle()), bad);
    }
    if let Some(large) = checks.success("buffer-large-memory", Memory::own(65)) {
        checks.equal("buffer-large", send(large.handle()), bad);
    }
    if let Some(memory) = checks.success("buffer-memory", Memory::own(1)) {
        let rights = Rights::READ.or(Rights::GRANT);
        let read_only = process::grant(process::own(), memory.handle(), rights, 0);
        if let Some(read_only) = checks.success("buffer-read-only-copy", read_only) {
            checks.equal("buffer-read-only", send(read_only), bad);
            checks.equal("buffer-copy-drop", ipc::drop_capability(read_only), Ok(()));
        }
    }
    checks.equal("buffer-not-memory", send(process::own()), bad);
}
