//! Requests that are sent again, and those of others.

use userlib::abi::PAGE_SIZE;
use userlib::abi::percpu::{Grant, PercpuError, Request};
use userlib::abi::syscall::End;
use userlib::checks::Checks;
use userlib::percpu::{self, Error, Populate, Region};
use userlib::{ipc, process, supervisor};

use crate::INTRUDE;

const CREATE: Request = Request::Create {
    unit_bytes: PAGE_SIZE,
    populate: Populate::All,
    name: *b"again\0\0\0\0\0\0\0\0\0\0\0",
};

/// Checks everything in this file.
pub fn check(checks: &mut Checks) {
    again(checks);
    not_yours(checks);
}

/// The same request with the same number is done once, and an older number is refused.
fn again(checks: &mut Checks) {
    let regions = || percpu::stats().map_or(u64::MAX, |stats| stats.regions);
    let before = regions();
    let (last, answers) = percpu::with_next_number(|number| {
        let message = CREATE.numbered(number);
        (number, [(); 3].map(|()| percpu::send(&message)))
    });
    checks.equal(
        "again-is-answered",
        (answers[1], answers[2]),
        (answers[0], answers[0]),
    );
    checks.equal("again-is-done-once", regions(), before + 1);
    let old = percpu::send(&CREATE.numbered(last - 1));
    let stale = Err(Error::Refused(PercpuError::StaleRequest(last)));
    checks.equal("old-number", old, stale);
    let Ok(words) = answers[0] else { return };
    let destroy = Request::Destroy {
        region: Grant::decode(&words).region,
    };
    let destroyed = percpu::with_next_number(|number| {
        let message = destroy.numbered(number);
        [(); 2].map(|()| percpu::send(&message).map(drop))
    });
    checks.equal("destroy-again", destroyed, [Ok(()); 2]);
    let stale = percpu::request(&destroy);
    checks.equal(
        "destroy-anew",
        stale,
        Err(Error::Refused(PercpuError::StaleGeneration)),
    );
}

/// Another program that knows the id of a region cannot destroy it.
fn not_yours(checks: &mut Checks) {
    let made = Region::create(PAGE_SIZE, Populate::All, "mine");
    let Some(region) = checks.success("mine", made) else {
        return;
    };
    let other = supervisor::launch([INTRUDE, region.id().encode(), 0]);
    if let Some(other) = checks.success("other", other) {
        checks.equal("not-yours", process::wait(other), Ok(End::Exited(0)));
        checks.equal("other-drop", ipc::drop_capability(other), Ok(()));
    }
    checks.equal("still-mine", region.destroy(), Ok(()));
}
