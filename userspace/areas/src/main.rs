//! Ten thousand areas of per-CPU memory, of which nine of ten are freed again in no order: how much memory stays for
//! what is left.
//!
//! That is a workload at which Linux's per-CPU memory once kept all that it had. An area is the same bytes in every
//! CPU's unit; the allocator asks the server for pages when it has none left, and offers those back that are empty.
//!
//! `areas:seed=N` takes another order; the seed is printed.
#![no_std]
#![no_main]

use userlib::allocator::{AllocateError, Allocator, Area, Usage};
use userlib::sync::{Mutex, Once};
use userlib::{entry, println, random::Random, start};

entry!(main);

const AREAS: usize = 10_000;
/// One of so many stays.
const ONE_OF: u64 = 10;
/// Sizes are multiples of 8 up to this.
const LARGEST: u64 = 1024;

static ALLOCATOR: Once<Allocator> = Once::new();
static TAKEN: Mutex<[Option<Area<'static>>; AREAS]> = Mutex::new([const { None }; AREAS]);

fn main() -> Result<u64, AllocateError> {
    let words = start::argument().split_whitespace();
    let mut seeds = words.filter_map(|word| word.strip_prefix("seed=")?.parse().ok());
    let seed = seeds.next().unwrap_or(1);
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let allocator = ALLOCATOR.try_call_once(Allocator::new)?;
    let mut taken = TAKEN.lock();
    for slot in taken.iter_mut() {
        let size = 8 * (1 + random.below(LARGEST / 8));
        *slot = Some(allocator.allocate(size as usize, 8)?);
    }
    let full = report("all", allocator.usage(), &*taken);
    for slot in taken.iter_mut().filter(|_| random.below(ONE_OF) > 0) {
        *slot = None;
    }
    report("one of ten", allocator.usage(), &*taken);
    allocator.balance();
    let left = report("balanced", allocator.usage(), &*taken);
    let went = full.populated_pages.saturating_sub(left.populated_pages);
    println!(
        "empty pages: {went} given back, {} kept by the server",
        left.kept_pages
    );
    let is_whole = taken.iter().flatten().all(|area| {
        let cell = area.cell::<u64>(area.size() - 8);
        cell.is_some_and(|cell| {
            cell.increment();
            cell.sum() == 1
        })
    });
    println!(
        "areas left {}: {}",
        left.areas,
        if is_whole { "whole" } else { "damaged" }
    );
    Ok(u64::from(!is_whole))
}

fn report(when: &str, usage: Usage, taken: &[Option<Area<'static>>]) -> Usage {
    let live: usize = taken.iter().flatten().map(Area::size).sum();
    let pages = usage.populated_pages;
    let kept_percent = pages * 4096 * 100 / live.max(1);
    println!(
        "{when}: live bytes {live}, pages {pages} in {} chunks, bytes kept per byte live {}.{:02}",
        usage.chunks,
        kept_percent / 100,
        kept_percent % 100
    );
    usage
}
