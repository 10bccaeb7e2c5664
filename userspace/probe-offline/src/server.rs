//! The percpu server while CPUs go and come: its own threads, and one that is started meanwhile.

use userlib::checks::Checks;
use userlib::{machine, supervisor};

use crate::helpers::{soon, works};

/// Checks everything in this file.
pub fn check(checks: &mut Checks) {
    let last = machine::online_cpus() as u64 - 1;
    for cpu in 1..=last {
        checks.equal("server-without", supervisor::set_cpu(cpu, false), Ok(Ok(())));
        checks.equal("server-works", works(), true);
    }
    let before = supervisor::restarts();
    checks.equal("server-ends", supervisor::end_server(), Ok(()));
    checks.equal("server-works-on-one", works(), true);
    let is_new = soon(|| supervisor::restarts() != before);
    checks.equal("server-is-new", is_new, true);
    for cpu in 1..=last {
        checks.equal("server-with", supervisor::set_cpu(cpu, true), Ok(Ok(())));
        checks.equal("server-works-there", works(), true);
    }
}
