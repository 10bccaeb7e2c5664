//! Prints what the percpu server counts, in the form and with the words of Linux's `percpu_stats`, and then the map:
//! every region with its owner (O7), its name, its pages and its frames on each node; which CPUs are online; and the last events of
//! the trace (O5).
//!
//! `percpu-stat:off` waits until one is off, `percpu-stat:trace` prints all events that are there, and nothing else.
#![no_std]
#![no_main]

mod text;
mod trace;

use core::fmt;

use userlib::abi::PAGE_SIZE;
use userlib::abi::percpu::ledger;
use userlib::abi::percpu::map::{Chunk, ChunkKind, Entry, Kind, head};
use userlib::abi::percpu::trace::MOST_EVENTS;
use userlib::percpu::{self, Error, Map, Populate, Region};
use userlib::{entry, machine, println, start, thread};

use text::{Client, Text};

entry!(main);

/// Pages of ordinary memory for the map.
const SHEET_PAGES: u64 = 16;
/// Events that are printed beside everything else.
const LAST_EVENTS: usize = 24;

fn main() -> Result<(), Error> {
    if start::argument() == "trace" {
        return trace::print(MOST_EVENTS as usize);
    }
    while start::argument() == "off" && machine::generation() == 0 {
        thread::yield_now();
    }
    // Something of its own, so that there is a row to see.
    let region = Region::create(2 * PAGE_SIZE, Populate::OnTouch, "percpu-stat")?;
    if let Some(cell) = region.cell::<u64>(0) {
        cell.increment();
    }
    let map = percpu::map(SHEET_PAGES)?;
    allocation_info(&map);
    global(&map);
    pools(&map);
    map.chunks().for_each(|chunk| print_chunk(&chunk));
    memory(&map);
    owners(&map);
    rows(&map);
    cpus();
    println!();
    trace::print(LAST_EVENTS)?;
    region.destroy()
}

fn title(text: &str) {
    println!("{text}:");
    println!("----------------------------------------");
}

fn field(name: &str, value: u64) {
    println!("  {name:<20}: {value:>12}");
}

/// Of a program's window and the first chunk; a unit is one CPU's.
fn allocation_info(map: &Map) {
    let bytes = |at| map.head(at) * PAGE_SIZE;
    println!("Percpu Memory Statistics");
    title("Allocation Info");
    field("unit_size", map.head(head::STRIDE));
    field("reserved_size", bytes(head::RESERVED_PAGES));
    field("dyn_size", bytes(head::FIRST_DYNAMIC_PAGES));
    field("atom_size", PAGE_SIZE);
    field(
        "alloc_size",
        map.head(head::STRIDE) * map.head(head::POSSIBLE_CPUS),
    );
    println!();
}

/// A chunk is a memory object of the pools, an allocation a region; sizes in bytes of one unit.
fn global(map: &Map) {
    let bytes = |at| map.head(at) * PAGE_SIZE;
    title("Global Stats");
    field("nr_alloc", map.head(head::GRANTED));
    field("nr_dealloc", map.head(head::DESTROYED));
    field("nr_cur_alloc", map.head(head::REGIONS));
    field("nr_max_alloc", map.head(head::MOST_REGIONS));
    field("nr_chunks", map.head(head::STOCKS));
    field("nr_max_chunks", map.head(head::MOST_STOCKS));
    field("min_alloc_size", bytes(head::SMALLEST));
    field("max_alloc_size", bytes(head::LARGEST));
    field(
        "empty_pop_pages",
        map.head(head::DYNAMIC_PAGES) - map.head(head::DYNAMIC_USED),
    );
    println!();
    title("Server");
    field("clients", map.head(head::CLIENTS));
    field("refused", map.head(head::REFUSED));
    field("malformed", map.head(head::MALFORMED));
    field("buried", map.head(head::BURIED));
    field("answered_again", map.head(head::ANSWERED_AGAIN));
    field("restarts", map.head(head::RESTARTS));
    println!();
}

fn pools(map: &Map) {
    title("Pools (pages of each unit: used, all)");
    for (name, used, all) in [
        ("reserved", head::RESERVED_USED, head::RESERVED_PAGES),
        ("dynamic", head::DYNAMIC_USED, head::DYNAMIC_PAGES),
        ("on-touch", head::ON_TOUCH_USED, head::ON_TOUCH_PAGES),
    ] {
        println!("  {name:<20}: {:>12} {:>12}", map.head(used), map.head(all));
    }
    println!();
}

/// What Linux's `Percpu:` is for, in frames of CPUs that there are or may be. It has no line for filler units, because
/// windows and pools have none: `percpu-core` says what is lost to them where there are some.
fn memory(map: &Map) {
    let kib = |frames| frames * PAGE_SIZE / 1024;
    let cpus = map.head(head::POSSIBLE_CPUS);
    let on_touch = |(_, entry): &(usize, Entry)| Kind::from_word(entry.kind) == Some(Kind::OnTouch);
    let touched = map.entries().enumerate().filter(on_touch);
    let touched =
        touched.flat_map(|(index, _)| (0..machine::nodes()).map(move |node| map.frames(index, node)));
    title("Memory (KiB on all CPUs)");
    field("reserved", kib(map.head(head::RESERVED_PAGES) * cpus));
    field("dynamic", kib(map.head(head::DYNAMIC_PAGES) * cpus));
    field("touched", kib(touched.sum()));
    field("promised", kib(map.head(head::ON_TOUCH_PAGES) * cpus));
    field("ledger", kib(ledger::PAGES));
    println!();
}

/// In the words of Linux, as far as there is such a thing here: sizes in bytes of one unit.
fn print_chunk(chunk: &Chunk) {
    match ChunkKind::from_word(chunk.kind) {
        Some(ChunkKind::Reserved) => println!("Chunk: <- Reserved Chunk"),
        Some(ChunkKind::First) => println!("Chunk: <- First Chunk"),
        Some(ChunkKind::OnTouch) => println!("Chunk: <- Populated on touch"),
        Some(ChunkKind::Window) => println!("Chunk: <- Window of {}", Client(chunk.owner)),
        Some(ChunkKind::Dynamic) | None => println!("Chunk:"),
    }
    let free = chunk.pages - chunk.used;
    field("nr_pages", chunk.pages);
    field("used_bytes", chunk.used * PAGE_SIZE);
    if chunk.quota > 0 {
        field("quota_bytes", chunk.quota * PAGE_SIZE);
    }
    field("empty_pop_pages", chunk.clean);
    field("free_bytes", free * PAGE_SIZE);
    field("contig_bytes", chunk.longest_row * PAGE_SIZE);
    field("sum_frag", free.saturating_sub(chunk.longest_row) * PAGE_SIZE);
    field("nr_frag", chunk.free_rows);
    println!();
}

/// What Linux's allocation profiling tells of call sites: who has how much, in bytes of one unit.
fn owners(map: &Map) {
    title("Owners");
    for owner in map.owners() {
        let bytes = owner.held * PAGE_SIZE;
        println!(
            "  {:>5} {:<16} {bytes:>12}",
            Client(owner.badge),
            Text(owner.name)
        );
    }
    println!();
}

fn rows(map: &Map) {
    title("Map");
    println!("  owner                  kind     first pages  held name             frames on each node");
    for (index, entry) in map.entries().enumerate() {
        println!("{}", Row { map, index, entry });
    }
    let left_out = map.head(head::ENTRIES_IN_ALL) - map.head(head::ENTRIES);
    if left_out > 0 {
        println!("  and {left_out} more");
    }
}

/// Which CPUs are online. The units of the others stay, and so do their frames above.
fn cpus() {
    println!();
    title("CPUs");
    field("possible", machine::possible_cpus() as u64);
    field("online", machine::online_cpus() as u64);
    field("changes", machine::generation());
    for cpu in (0..machine::possible_cpus()).filter(|cpu| !machine::is_online(*cpu)) {
        println!("  cpu {cpu} is off");
    }
}

/// A line of the map.
struct Row<'a> {
    map: &'a Map,
    index: usize,
    entry: Entry,
}

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Entry {
            badge,
            first,
            pages,
            held,
            ..
        } = self.entry;
        let owner = self.map.owners().find(|owner| owner.badge == badge);
        let owner = Text(owner.map_or([0; 2], |owner| owner.name));
        let (badge, name, kind) = (Client(badge), Text(self.entry.name), kind(self.entry.kind));
        write!(
            f,
            "  {badge:>5} {owner:<16} {kind:<8} {first:>5} {pages:>5} {held:>5} {name:<16}"
        )?;
        (0..machine::nodes()).try_for_each(|node| write!(f, " {:>5}", self.map.frames(self.index, node)))
    }
}

fn kind(word: u64) -> &'static str {
    match Kind::from_word(word) {
        Some(Kind::Static) => "static",
        Some(Kind::Reserved) => "reserved",
        Some(Kind::Dynamic) => "dynamic",
        Some(Kind::OnTouch) => "on-touch",
        None => "?",
    }
}
