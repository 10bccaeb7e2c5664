//! Pages that get their frames when they are touched, on the CPU that touches them and on no other.

use userlib::abi::PAGE_SIZE;
use userlib::abi::syscall::CpuMask;
use userlib::checks::Checks;
use userlib::machine;
use userlib::percpu::{Populate, Region};
use userlib::thread;

use crate::pages::populated;

/// Checks everything in this file.
pub fn check(checks: &mut Checks) {
    let made = Region::create(3 * PAGE_SIZE, Populate::OnTouch, "touch");
    let Some(region) = checks.success("touch", made) else {
        return;
    };
    checks.equal(
        "untouched",
        [0, 1, 2].map(|page| populated(&region, page)),
        [0; 3],
    );
    let last = machine::online().last().unwrap_or(0);
    checks.equal("touch-bind", thread::bind_self(&CpuMask::only(last)), Ok(()));
    if let Some(cell) = region.cell::<u64>(PAGE_SIZE + 8) {
        checks.equal("touch-is-clear", cell.fetch_add(5), 0);
        checks.equal("touch-keeps", cell.get(), 5);
    }
    checks.equal("touched-here", region.populated(1), Ok(CpuMask::only(last)));
    checks.equal(
        "touched-nothing-else",
        [0, 2].map(|page| populated(&region, page)),
        [0; 2],
    );
    checks.equal("touch-sum", region.sum_touched(PAGE_SIZE + 8), Ok(Some(5)));
    checks.equal("touch-sum-touches-nothing", populated(&region, 1), 1);
    checks.equal("touch-sum-behind", region.sum_touched(3 * PAGE_SIZE), Ok(None));
    elsewhere(checks, &region);
    checks.equal("touch-unbind", thread::bind_self(&CpuMask::ALL), Ok(()));
    checks.equal("touch-depopulate", region.depopulate(1, 1), Ok(()));
    checks.equal("touch-gone", populated(&region, 1), 0);
    checks.equal("touch-again", region.populate(0, 3), Ok(()));
    checks.equal("touch-again-is-untouched", populated(&region, 1), 0);
    checks.equal(
        "touch-again-is-clear",
        region.sum_touched(PAGE_SIZE + 8),
        Ok(Some(0)),
    );
    checks.equal("touch-destroy", region.destroy(), Ok(()));
}

/// Every CPU touches, one after the other, and each has a copy of its own.
fn elsewhere(checks: &mut Checks, region: &Region) {
    let Some(cell) = region.cell::<u64>(0) else { return };
    let mut touched = 0;
    for cpu in machine::online() {
        touched += u64::from(thread::bind_self(&CpuMask::only(cpu)).is_ok());
        cell.increment();
        checks.equal("touched-one-more", populated(region, 0), touched);
    }
    checks.equal("touch-sum-all", cell.sum(), touched);
}
