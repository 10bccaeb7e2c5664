//! Requests that make sense, and ask for too much or for what is not there.

use userlib::abi::PAGE_SIZE;
use userlib::abi::percpu::{Geometry, PercpuError, RegionId, Request, unit_pages};
use userlib::checks::Checks;
use userlib::percpu::{self, Error, Populate, Region};

use crate::malformed::refused;

/// Checks everything in this file.
pub fn check(checks: &mut Checks) {
    let Some(geometry) = checks.success("hello", percpu::hello()) else {
        return;
    };
    sizes(checks, &geometry);
    exhaustion(checks, &geometry);
    names(checks);
    ranges(checks);
}

fn sizes(checks: &mut Checks, geometry: &Geometry) {
    use PercpuError::{BadAlign, BadSize, WindowFull};
    let most = unit_pages(geometry.stride) * PAGE_SIZE;
    let create = |bytes| Region::create(bytes, Populate::None, "probe");
    let table = [
        ("bad-size-0", create(0), BadSize(most)),
        ("bad-size-large", create(most + 1), BadSize(most)),
        ("bad-size-huge", create(u64::MAX), BadSize(most)),
        ("bad-size-reserve", Region::reserve(0, 8), BadSize(most)),
        ("bad-align-odd", Region::reserve(64, 3), BadAlign),
        ("bad-align-large", Region::reserve(64, 2 * PAGE_SIZE), BadAlign),
        ("window-full", create(most), WindowFull),
    ];
    for (name, got, expected) in table {
        refused(checks, name, got, expected);
    }
}

fn exhaustion(checks: &mut Checks, geometry: &Geometry) {
    let limit = geometry.quota_pages;
    let quota = PercpuError::QuotaExceeded { limit, used: 0 };
    let too_much = (limit + 1) * PAGE_SIZE;
    let create = Region::create(too_much, Populate::All, "probe");
    refused(checks, "quota-exceeded", create, quota);
    refused(
        checks,
        "quota-exceeded-reserve",
        Region::reserve(too_much, 0),
        quota,
    );
    reserved(checks, geometry);
}

/// More than the whole reserved part; how much of it is free depends on others, if there are any.
fn reserved(checks: &mut Checks, geometry: &Geometry) {
    let name = "reserved-exhausted";
    let all = geometry.reserved_pages;
    if all == 0 || all >= geometry.quota_pages {
        // One possible CPU may have no reserved part; a large one lies behind the quota.
        return checks.that(name, true, format_args!(""));
    }
    let got = Region::reserve((all + 1) * PAGE_SIZE, 0);
    let is_alone = percpu::stats().is_ok_and(|stats| stats.clients == 1);
    let is_free = |free| {
        if is_alone {
            free == geometry.reserved_free
        } else {
            free <= all
        }
    };
    let is_it = matches!(got, Err(Error::Refused(PercpuError::ReservedExhausted { free })) if is_free(free));
    checks.that(name, is_it, format_args!("{got:?} of {all} pages"));
}

/// Ids that name nothing any more, or never did.
fn names(checks: &mut Checks) {
    let destroy = |region| percpu::request(&Request::Destroy { region });
    let Some(region) = checks.success("create", Region::create(64, Populate::All, "probe")) else {
        return;
    };
    let id = region.id();
    checks.equal("destroy", region.destroy(), Ok(()));
    let populate = percpu::request(&Request::Populate {
        region: id,
        page: 0,
        count: 1,
    });
    let generation = id.generation + 7;
    let table = [
        ("stale-destroy", destroy(id), PercpuError::StaleGeneration),
        ("stale-populate", populate, PercpuError::StaleGeneration),
        (
            "no-such-region",
            destroy(RegionId {
                index: 5000,
                generation: 1,
            }),
            PercpuError::NoSuchRegion,
        ),
        (
            "no-such-generation",
            destroy(RegionId { generation, ..id }),
            PercpuError::NoSuchRegion,
        ),
    ];
    for (name, got, expected) in table {
        refused(checks, name, got, expected);
    }
}

fn ranges(checks: &mut Checks) {
    let created = Region::create(3 * PAGE_SIZE, Populate::None, "probe");
    let Some(region) = checks.success("create-unpopulated", created) else {
        return;
    };
    for (name, page, count) in [
        ("bad-range-long", 0, 4),
        ("bad-range-behind", 3, 1),
        ("bad-range-empty", 0, 0),
        ("bad-range-overflow", u64::MAX, 2),
    ] {
        refused(
            checks,
            name,
            region.populate(page, count),
            PercpuError::BadRange(3),
        );
    }
    checks.equal("destroy-unpopulated", region.destroy(), Ok(()));
}
