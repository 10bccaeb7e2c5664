//! The percpu server while CPUs go and come: its own threads, and one that is started meanwhile; and that a CPU which is to go or
//! to come does so once, whenever the server ends.

use userlib::abi::Status;
use userlib::abi::percpu::PercpuError;
use userlib::abi::syscall::Moment;
use userlib::checks::Checks;
use userlib::{Refusal, machine, percpu, println, supervisor};

use crate::helpers::{soon, works};

/// Calls of the server at which it ends: those for one CPU are fewer.
const LAST_CALL: u64 = 8;

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
    for (name, moment) in [
        ("server-ends-before-calls", Moment::Before),
        ("server-ends-after-calls", Moment::After),
    ] {
        let wrong = (1..=LAST_CALL).map(|calls| wrong_at(last as usize, calls, moment));
        checks.equal(name, wrong.sum::<Result<u64, Refusal>>(), Ok(0));
    }
}

/// A CPU goes and comes by way of the server, which ends at this call of its. How many of both were not as they have to be.
fn wrong_at(cpu: usize, calls: u64, moment: Moment) -> Result<u64, Refusal> {
    let mut wrong = 0;
    for is_on in [false, true] {
        let before = supervisor::restarts()?;
        supervisor::arm_server(calls, moment)?;
        let done = supervisor::set_cpu(cpu as u64, is_on)?;
        let is_so = machine::is_online(cpu) == is_on;
        // Where it has not ended yet, it does so now.
        let has_ended =
            soon(|| percpu::stats().is_ok() && supervisor::restarts().is_ok_and(|now| now > before));
        let again = supervisor::set_cpu(cpu as u64, is_on)?;
        let refusal = if is_on {
            Status::AlreadyOnline
        } else {
            Status::NotOnline
        };
        let is_refused = again == Err(PercpuError::CpuRefused(refusal as u64));
        if done.is_err() || !is_so || !has_ended || !is_refused {
            println!("probe-offline: call {calls} {moment:?}: {done:?} {is_so} {has_ended} {again:?}");
            wrong += 1;
        }
    }
    Ok(wrong)
}
