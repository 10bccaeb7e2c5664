//! What only init may ask for.

use userlib::abi::PAGE_SIZE;
use userlib::abi::percpu::{PercpuError, Request};
use userlib::checks::Checks;
use userlib::percpu::{self, Error, Populate, Region};
use userlib::supervisor;

/// Tries to find something that is kept ready.
const DRAINS: usize = 100;

/// Checks everything in this file.
pub fn check(checks: &mut Checks) {
    let denied = Err(Error::Refused(PercpuError::NotPermitted));
    for (name, request) in [
        (
            "quota-not-permitted",
            Request::SetQuota {
                badge: 2,
                quota_pages: 1 << 20,
            },
        ),
        ("drain-not-permitted", Request::Drain),
    ] {
        checks.equal(name, percpu::request(&request), denied);
    }
    let before = percpu::hello().map_or(0, |geometry| geometry.quota_pages);
    checks.equal("quota-set", supervisor::set_quota(3), Ok(()));
    let create = |pages: u64| Region::create(pages * PAGE_SIZE, Populate::All, "quota");
    let exceeded = PercpuError::QuotaExceeded { limit: 3, used: 0 };
    checks.equal("quota-is-less", create(4).err(), Some(Error::Refused(exceeded)));
    checks.equal("quota-is-enough", create(3).and_then(Region::destroy), Ok(()));
    checks.equal("quota-set-again", supervisor::set_quota(before), Ok(()));
    let told = percpu::hello().map(|geometry| geometry.quota_pages);
    checks.equal("quota-is-back", told, Ok(before));
    // More than the first chunk has, so that memory is made, and kept ready; unless nobody wants anything for a while, and
    // the server gives it back by itself.
    let mut drained = Ok(0);
    for _ in 0..DRAINS {
        let made = create(before).and_then(Region::destroy);
        drained = supervisor::drain();
        if made.is_err() || drained != Ok(0) {
            break;
        }
    }
    checks.that(
        "drain",
        drained.is_ok_and(|pages| pages > 0),
        format_args!("{drained:?}"),
    );
    // Others may have given something back meanwhile.
    let again = supervisor::drain();
    checks.that(
        "drain-again",
        again.is_ok_and(|pages| pages <= 64),
        format_args!("{again:?}"),
    );
}
