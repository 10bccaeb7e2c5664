//! Empty pages that the server refuses to take: they stay in the allocator's books.

use userlib::abi::PAGE_SIZE;
use userlib::abi::percpu::{RegionId, Request};
use userlib::allocator::{Allocator, Area, CHUNK_BYTES};
use userlib::checks::Checks;
use userlib::percpu;

/// More than a chunk: a chunk gives pages back only when there are empty ones elsewhere.
const PAGES: usize = 96;
/// Those of the first chunk that is not the allocator's own, but for the area that stays.
const LEAST: usize = CHUNK_BYTES / PAGE_SIZE as usize - 1;

pub fn check(checks: &mut Checks) {
    let Some(allocator) = checks.success("kept-allocator", Allocator::new()) else {
        return;
    };
    let mut areas = [const { None }; PAGES];
    for place in &mut areas {
        *place = allocator.allocate(PAGE_SIZE as usize, PAGE_SIZE as usize).ok();
    }
    let [Some(first), rest @ .., Some(last)] = areas else {
        return checks.that("kept-areas", false, format_args!("no area"));
    };
    let before = allocator.usage();
    checks.equal("kept-none", before.kept_pages, 0);
    // No request for the region is granted from now on. Nobody touches it any more, either.
    let ended = region_of(&first).map(|region| percpu::request(&Request::Destroy { region }).is_ok());
    checks.equal("kept-region-ends", ended, Some(true));
    // The other chunk's first.
    rest.into_iter().rev().for_each(drop);
    allocator.balance();
    let after = allocator.usage();
    checks.that(
        "kept-refused",
        after.kept_pages == LEAST && after.populated_pages >= before.populated_pages,
        format_args!("{before:?}, then {after:?}"),
    );
    checks.equal("kept-other", last.free(), Ok(()));
    // It is in no region, and never freed.
    let _ = first.into_raw();
}

/// The region that an area lies in, by the server's map.
fn region_of(area: &Area<'_>) -> Option<RegionId> {
    let page = area.offset() as u64 / PAGE_SIZE;
    let map = percpu::map(8).ok()?;
    let mut entries = map.entries().filter(|entry| {
        let within = page.checked_sub(entry.first);
        within.is_some_and(|within| within < entry.pages)
    });
    Some(RegionId::decode(entries.next()?.region))
}
