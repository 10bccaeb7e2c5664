//! Ten thousand areas of per-CPU memory, of which nine of ten are freed again in no order: how much memory stays for
//! what is left.
//!
//! That is a workload at which Linux's per-CPU memory once kept all that it had. An area is the same bytes in every
//! CPU's unit; the allocator asks the server for pages when it has none left, and gives those back that are empty.
//! What the server says of the pages in use has to agree at each step.
//!
//! `areas:seed=N` takes another order; the seed is printed.
#![no_std]
#![no_main]

use userlib::abi::PAGE_SIZE;
use userlib::allocator::{AllocateError, Allocator, Area, Usage};
use userlib::checks::Checks;
use userlib::percpu::{self, PercpuError, Populate, Region};
use userlib::rounds::Rounds;
use userlib::sync::{Mutex, Once};
use userlib::{entry, println, random::Random, start};

entry!(main);

const AREAS: usize = 10_000;
/// One of so many stays.
const ONE_OF: u64 = 10;
/// Sizes are multiples of 8 up to this.
const LARGEST: u64 = 1024;

/// A row of the bench's: bytes, for 100 that are live.
const KEPT: &str = "areas-kept-for-100-bytes";

type Slots = [Option<Area<'static>>; AREAS];

static ALLOCATOR: Once<Allocator> = Once::new();
static TAKEN: Mutex<Slots> = Mutex::new([const { None }; AREAS]);

fn main() -> Result<u64, AllocateError> {
    let words = start::argument().split_whitespace();
    let mut seeds = words.filter_map(|word| word.strip_prefix("seed=")?.parse().ok());
    let seed = seeds.next().unwrap_or(1);
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut checks = Checks::new();
    let quota = percpu::hello()?.quota_pages;
    let others = percpu::stats()?.dynamic_used;
    let allocator = ALLOCATOR.try_call_once(Allocator::new)?;
    let mut taken = TAKEN.lock();
    let mut report = |when, taken: &Slots| report(&mut checks, when, allocator.usage(), others, taken);

    let were_clear = fill(&mut taken, allocator, &mut random)?;
    let full = report("all", &taken)?;
    // A page more than there is room for beside these.
    let beside = (quota + 1).saturating_sub(full.populated_pages as u64);
    let at_first = is_granted(beside)?;
    for slot in taken.iter_mut().filter(|_| random.below(ONE_OF) > 0) {
        *slot = None;
    }
    allocator.balance();
    let left = report("one-of-ten", &taken)?;
    let afterwards = is_granted(beside)?;
    let kept = kept_percent(&left, &taken);
    let is_left_whole = are_marked(&taken);
    // Pages that went are populated again, and hold new areas.
    let are_clear = fill(&mut taken, allocator, &mut random)?;
    report("all-again", &taken)?;
    let are_whole = are_marked(&taken);

    checks.equal("quota", (at_first, afterwards), (false, true));
    checks.equal("none-kept", left.kept_pages, 0);
    checks.equal("areas-are-clear", (were_clear, are_clear), (true, true));
    checks.equal("areas-are-whole", (is_left_whole, are_whole), (true, true));
    let went = full.populated_pages.saturating_sub(left.populated_pages);
    println!("empty pages: {went} given back, {} kept", left.kept_pages);
    Rounds::once(kept as u64).print(KEPT, "");
    Ok(checks.code())
}

/// Allocates an area in each place that has none, and marks it. Whether each was clear.
fn fill(
    taken: &mut Slots,
    allocator: &'static Allocator,
    random: &mut Random,
) -> Result<bool, AllocateError> {
    let mut were_clear = true;
    for slot in taken.iter_mut().filter(|slot| slot.is_none()) {
        let size = 8 * (1 + random.below(LARGEST / 8));
        let area = allocator.allocate(size as usize, 8)?;
        were_clear &= mark(&area);
        *slot = Some(area);
    }
    Ok(were_clear)
}

/// Prints what the allocator holds, and checks that the server has as many pages in use beside the `others`.
fn report(
    checks: &mut Checks,
    when: &str,
    usage: Usage,
    others: u64,
    taken: &Slots,
) -> Result<Usage, AllocateError> {
    let (pages, chunks) = (usage.populated_pages, usage.chunks);
    println!(
        "{when}: live bytes {}, pages {pages} in {chunks} chunks",
        live(taken)
    );
    checks.equal(when, percpu::stats()?.dynamic_used - others, pages as u64);
    Ok(usage)
}

fn live(taken: &Slots) -> usize {
    taken.iter().flatten().map(Area::size).sum()
}

/// Bytes kept for 100 that are live.
fn kept_percent(usage: &Usage, taken: &Slots) -> usize {
    usage.populated_pages * PAGE_SIZE as usize * 100 / live(taken).max(1)
}

/// Whether the server grants a region of so many pages beside what there is: not so beyond the quota.
fn is_granted(pages: u64) -> Result<bool, AllocateError> {
    match Region::create(pages * PAGE_SIZE, Populate::All, "beside") {
        Ok(region) => region.destroy().map(|()| true).map_err(AllocateError::from),
        Err(percpu::Error::Refused(PercpuError::QuotaExceeded { .. })) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether each area holds its mark.
fn are_marked(taken: &Slots) -> bool {
    taken.iter().flatten().all(|area| {
        let cell = area.cell::<u64>(area.size() - 8);
        cell.is_some_and(|cell| cell.sum() == area.offset() as u64)
    })
}

/// Marks a new area with its place. Whether it was clear on all CPUs.
fn mark(area: &Area<'_>) -> bool {
    let cell = area.cell::<u64>(area.size() - 8);
    cell.is_some_and(|cell| {
        let was_clear = cell.iter().all(|found| found == 0);
        cell.add(area.offset() as u64);
        was_clear
    })
}
