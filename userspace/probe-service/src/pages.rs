//! Pages of a region that come and go.

use userlib::abi::PAGE_SIZE;
use userlib::abi::percpu::PercpuError;
use userlib::checks::Checks;
use userlib::percpu::{Error, Populate, Region};
use userlib::{machine, percpu};

/// Checks everything in this file.
pub fn check(checks: &mut Checks) {
    for (name, made) in [
        (
            "pages-dynamic",
            Region::create(4 * PAGE_SIZE, Populate::All, "pages"),
        ),
        ("pages-reserved", Region::reserve_named(4 * PAGE_SIZE, 0, "pages")),
    ] {
        let Some(region) = checks.success(name, made) else {
            return;
        };
        taken_back(checks, &region);
        refused(checks, &region);
        checks.equal("pages-destroy", region.destroy(), Ok(()));
    }
}

fn used() -> Option<u64> {
    percpu::stats()
        .ok()
        .map(|stats| stats.reserved_used + stats.dynamic_used)
}

/// Two of four pages go back, and come clear; the others keep what they have.
fn taken_back(checks: &mut Checks, region: &Region) {
    let cell = |page: u64| region.cell::<u64>(page * PAGE_SIZE);
    let add = |page| {
        if let Some(cell) = cell(page) {
            cell.add(1);
        }
    };
    (0..4).for_each(add);
    let before = used();
    let masks = |region: &Region| [0, 1, 2, 3].map(|page| populated(region, page));
    let all = machine::possible_cpus() as u64;
    checks.equal("populated-all", masks(region), [all; 4]);
    checks.equal("depopulate", region.depopulate(1, 2), Ok(()));
    checks.equal(
        "depopulate-again",
        region.depopulate(0, 3).and(region.populate(0, 1)),
        Ok(()),
    );
    checks.equal("populated-some", masks(region), [all, 0, 0, all]);
    checks.equal("depopulated-is-back", used(), before.map(|pages| pages - 2));
    checks.equal("populate-again", region.populate(0, 4), Ok(()));
    checks.equal("populated-again", used(), before);
    let sums = [0, 1, 2, 3].map(|page| cell(page).map(|cell| cell.sum()));
    checks.equal("depopulated-is-clear", sums, [Some(0), Some(0), Some(0), Some(1)]);
}

/// On how many CPUs a page has a frame.
pub fn populated(region: &Region, page: u64) -> u64 {
    let count = |mask: u64| u64::from(mask.count_ones());
    region
        .populated(page)
        .map_or(u64::MAX, |mask| mask.0.into_iter().map(count).sum())
}

fn refused(checks: &mut Checks, region: &Region) {
    let bad = Error::Refused(PercpuError::BadRange(4));
    for (name, page, count) in [
        ("depopulate-long", 0, 5),
        ("depopulate-behind", 4, 1),
        ("depopulate-nothing", 0, 0),
        ("depopulate-wraps", u64::MAX, 2),
    ] {
        checks.equal(name, region.depopulate(page, count), Err(bad));
    }
    checks.equal("populated-behind", region.populated(4).err(), Some(bad));
}
