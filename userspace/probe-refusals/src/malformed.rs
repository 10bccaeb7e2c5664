//! Messages that are no requests.

use userlib::abi::percpu::{PROTOCOL_VERSION, PercpuError, RegionId, Request, number};
use userlib::abi::{Handle, Message};
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint};
use userlib::percpu::{self, Error, Populate};

/// How many of the messages below are no requests at all.
const NONSENSE: u64 = 9;

/// Checks everything in this file.
pub fn check(checks: &mut Checks) {
    let before = percpu::stats();
    labels_and_words(checks);
    capabilities(checks);
    let version = percpu::request(&Request::Hello { version: 77 });
    refused(
        checks,
        "version-mismatch",
        version,
        PercpuError::VersionMismatch(PROTOCOL_VERSION),
    );
    let after = percpu::stats();
    if let (Ok(before), Ok(after)) = (before, after) {
        // Others may send nonsense at the same time, so there may be more.
        let counted = after.malformed - before.malformed;
        checks.that(
            "nonsense-is-counted",
            counted >= NONSENSE,
            format_args!("{counted}"),
        );
        let counted = after.refused - before.refused;
        checks.that(
            "refusals-are-counted",
            counted > NONSENSE,
            format_args!("{counted}"),
        );
    }
}

/// Checks that a request was refused in just this way.
pub fn refused<T: core::fmt::Debug>(
    checks: &mut Checks,
    name: &str,
    got: Result<T, Error>,
    expected: PercpuError,
) {
    let is_it = matches!(&got, Err(Error::Refused(refusal)) if *refusal == expected);
    checks.that(name, is_it, format_args!("{got:?}, not {expected:?}"));
}

fn labels_and_words(checks: &mut Checks) {
    use PercpuError::{Malformed, UnknownRequest};
    let send = |label, words| percpu::send(&Message::new(label, words));
    let region = RegionId {
        index: 0,
        generation: 1,
    };
    let create = Request::Create {
        unit_bytes: 64,
        populate: Populate::All,
        name: [0; 16],
    };
    let mut bad_populate = create.encode();
    bad_populate.words[1] = 3;
    let mut bad_name = create.encode();
    bad_name.words[2] = 0xff;
    let mut extra = Request::Destroy { region }.encode();
    extra.words[4] = 1;
    let table = [
        ("unknown-request", send(99, [0; 6]), UnknownRequest(99)),
        ("unknown-request-0", send(0, [1; 6]), UnknownRequest(0)),
        (
            "unknown-request-huge",
            send(u64::MAX, [0; 6]),
            UnknownRequest(u64::MAX),
        ),
        (
            "malformed-stats",
            send(number::STATS, [0, 0, 3, 0, 0, 0]),
            Malformed(2),
        ),
        ("malformed-destroy", percpu::send(&extra), Malformed(4)),
        ("malformed-populate", percpu::send(&bad_populate), Malformed(1)),
        ("malformed-name", percpu::send(&bad_name), Malformed(2)),
    ];
    for (name, got, expected) in table {
        refused(checks, name, got, expected);
    }
}

/// A capability where none belongs, and none where one does.
fn capabilities(checks: &mut Checks) {
    let Some(own) = checks.success("own-endpoint", Endpoint::create()) else {
        return;
    };
    let with_one = Request::Stats.encode().with_capability(own.0);
    refused(
        checks,
        "malformed-capability",
        percpu::send(&with_one),
        PercpuError::Malformed(6),
    );
    let attach = Request::Attach {
        badge: 60,
        quota_pages: 1,
        static_pages: 0,
        name: [0; 16],
    };
    let without = attach.numbered(1).with_capability(Handle::NONE);
    refused(
        checks,
        "malformed-attach",
        percpu::send(&without),
        PercpuError::Malformed(6),
    );
    let not_init = percpu::send(&attach.numbered(1).with_capability(own.0));
    refused(checks, "not-permitted", not_init, PercpuError::NotPermitted);
    checks.equal("own-endpoint-drop", ipc::drop_capability(own.0), Ok(()));
}
