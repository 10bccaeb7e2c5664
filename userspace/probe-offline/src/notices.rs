//! Notifications of CPUs that go and come, and what the header pages say.

use userlib::abi::{Handle, Status};
use userlib::checks::Checks;
use userlib::notification::Notification;
use userlib::{Refusal, hotplug, ipc, machine, process};

use crate::helpers::{off, on};

const CPU: usize = 1;
const GONE: u64 = 1 << 3;
const COME: u64 = 1 << 60;
/// More than the kernel tells.
const MANY: usize = 80;

/// Checks everything in this file.
pub fn check(checks: &mut Checks, machine: Handle) {
    let Some(told) = checks.success("notice", Notification::create()) else {
        return;
    };
    checks.equal(
        "notice-of-cpus",
        hotplug::notice(machine, told, GONE, COME),
        Ok(()),
    );
    let (online, generation) = (machine::online_cpus(), machine::generation());
    checks.equal("notice-nothing-yet", told.collect(), Ok(0));
    checks.equal("notice-off", off(machine, CPU), Ok(()));
    checks.equal("notice-gone", told.wait(), Ok(GONE));
    checks.equal("header-cpus-less", machine::online_cpus(), online - 1);
    let later = machine::generation();
    checks.that(
        "header-generation-off",
        later > generation,
        format_args!("{later}"),
    );
    checks.equal("notice-on", on(machine, CPU), Ok(()));
    checks.equal("notice-come", told.wait(), Ok(COME));
    checks.equal("header-cpus-as-before", machine::online_cpus(), online);
    let last = machine::generation();
    checks.that("header-generation-on", last > later, format_args!("{last}"));
    full(checks, machine);
    checks.equal("notice-drop", ipc::drop_capability(told.0), Ok(()));
}

/// The kernel remembers a bounded number; those whose notification has gone make room.
fn full(checks: &mut Checks, machine: Handle) {
    let mut taken = [Handle::NONE; MANY];
    let mut outcome = Ok(());
    for slot in &mut taken {
        let Some(one) = checks_nothing(Notification::create()) else {
            break;
        };
        *slot = one.0;
        outcome = hotplug::notice(machine, one, 1, 0);
        if outcome.is_err() {
            break;
        }
    }
    let limit = Refusal {
        status: Status::TableFull,
        words: [64, 0],
    };
    checks.equal("notices-full", outcome, Err(limit));
    let given_up = taken.iter().filter(|handle| !handle.is_none());
    let dropped = given_up.copied().try_for_each(ipc::drop_capability);
    checks.equal("notices-drop", dropped, Ok(()));
    let bytes = || process::stats(process::own()).map(|stats| stats.heap_bytes);
    let before = bytes();
    let again = Notification::create().and_then(|one| {
        hotplug::notice(machine, one, 1, 0)?;
        ipc::drop_capability(one.0)
    });
    checks.equal("notices-room-again", again, Ok(()));
    checks.equal("notices-leave-nothing", bytes(), before);
}

fn checks_nothing<T>(result: Result<T, Refusal>) -> Option<T> {
    // A failure shows in what comes after it.
    result.ok()
}
