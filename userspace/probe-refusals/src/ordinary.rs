//! After all the refusals: what was allowed before still is, and nothing was lost on the way.

use userlib::abi::PAGE_SIZE;
use userlib::abi::percpu::{PercpuError, Stats};
use userlib::checks::Checks;
use userlib::machine;
use userlib::percpu::{self, Error, Populate, Region};

/// A pattern that no cleared page has.
const PATTERN: u64 = 0xa5a5_a5a5_a5a5_a5a5;

/// What this program holds, and what the server counts.
#[derive(Clone, Copy, Debug)]
pub struct Holdings {
    stats: Result<Stats, Error>,
}

impl Holdings {
    /// What it is now.
    pub fn now() -> Holdings {
        Holdings {
            stats: percpu::stats(),
        }
    }

    /// Checks that it is the same again. What the server counts for all can be compared only when there is
    /// nobody else; what counts for this program, a refusal tells.
    pub fn check_unchanged(&self, checks: &mut Checks) {
        let limit = percpu::hello().map_or(0, |geometry| geometry.quota_pages);
        let got = Region::create((limit + 1) * PAGE_SIZE, Populate::All, "probe");
        let nothing = PercpuError::QuotaExceeded { limit, used: 0 };
        checks.equal("holds-nothing", got, Err(Error::Refused(nothing)));
        let lasting = |stats: Stats| Stats {
            refused: 0,
            malformed: 0,
            ..stats
        };
        match (self.stats.map(lasting), percpu::stats().map(lasting)) {
            (Ok(before), Ok(after)) if after.clients == 1 => checks.equal("stats-unchanged", after, before),
            (before, after) => {
                let both = before.is_ok() && after.is_ok();
                checks.that("stats-unchanged", both, format_args!("{before:?} {after:?}"));
            }
        }
    }
}

/// Checks everything in this file.
pub fn check(checks: &mut Checks) {
    let reserved = Region::reserve(64, 64);
    works(checks, "reserve-works", reserved);
    works(
        checks,
        "create-works",
        Region::create(2 * PAGE_SIZE, Populate::All, "probe"),
    );
    // The same pages again: what was written there must be gone.
    works(
        checks,
        "create-is-clear-again",
        Region::create(2 * PAGE_SIZE, Populate::All, "probe"),
    );
    step_by_step(checks);
}

/// Writes on this CPU, reads on all, and destroys.
fn works(checks: &mut Checks, name: &str, region: Result<Region, Error>) {
    let Some(region) = checks.success(name, region) else {
        return;
    };
    let at = region.bytes() - 8;
    match region.cell::<u64>(at) {
        Some(cell) => {
            checks.equal("clear", cell.sum(), 0);
            cell.add(PATTERN);
            checks.equal("counted", cell.sum(), PATTERN);
            let holders = cell.iter().filter(|value| *value == PATTERN).count();
            checks.equal("in-one-unit", holders, 1);
        }
        None => checks.that("cell", false, format_args!("no cell at {at}")),
    }
    checks.that(
        "no-cell-outside",
        region.cell::<u64>(at + 8).is_none(),
        format_args!("a cell outside"),
    );
    checks.that(
        "no-cell-askew",
        region.cell::<u64>(4).is_none(),
        format_args!("a cell across words"),
    );
    checks.equal("destroyed", region.destroy(), Ok(()));
}

/// Populates a region in two steps; the second keeps what the first has.
fn step_by_step(checks: &mut Checks) {
    let created = Region::create(4 * PAGE_SIZE, Populate::None, "steps");
    let Some(region) = checks.success("create-in-steps", created) else {
        return;
    };
    checks.equal("populate-one", region.populate(1, 1), Ok(()));
    let cell = region.cell::<u32>(PAGE_SIZE + 8);
    if let Some(cell) = cell {
        cell.set(7);
    }
    checks.equal("populate-all", region.populate(0, 4), Ok(()));
    checks.equal("populate-keeps", cell.map(|cell| cell.sum()), Some(7));
    let last = region.cell::<u8>(4 * PAGE_SIZE - 1);
    let clear = last.map(|cell| (0..machine::possible_cpus()).all(|cpu| cell.on(cpu) == Some(0)));
    checks.equal("populate-clears", clear, Some(true));
    checks.equal("destroy-in-steps", region.destroy(), Ok(()));
}
