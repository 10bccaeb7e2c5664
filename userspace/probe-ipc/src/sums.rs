//! Many callers and servers at once, preempted and moved about: every call is answered once, with its own answer.

use userlib::abi::syscall::End;
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint};
use userlib::process::{self, Child};
use userlib::thread::Place;
use userlib::{Refusal, machine, percpu};

use crate::children;
use crate::helpers::{self, MORE};

/// Most CPUs that get callers of their own.
const MOST: usize = 8;

percpu! {
    /// Messages, counted by whoever serves them.
    static SERVED: PerCpuCell<u64> = 0;
}

/// Checks everything in this file.
pub fn check(checks: &mut Checks) -> Result<(), Refusal> {
    let cpus = machine::online().take(MOST);
    sums(checks, "sums-with-local-servers", cpus.map(Place::Cpu))?;
    sums(checks, "sums-with-one-server", [Place::Cpu(0)].into_iter())?;
    sums(
        checks,
        "sums-with-unbound-servers",
        [Place::Anywhere, Place::Anywhere].into_iter(),
    )
}

/// Servers at these places; on each CPU a caller that stays and one that does not.
fn sums(checks: &mut Checks, name: &str, places: impl Iterator<Item = Place>) -> Result<(), Refusal> {
    let before = SERVED.sum();
    let endpoint = Endpoint::create()?;
    let mut servers = [const { None }; MOST];
    for (server, place) in servers.iter_mut().zip(places) {
        *server = Some(helpers::start(endpoint, place, |_| SERVED.increment())?);
    }
    let mut callers: [Option<Child>; 2 * MOST] = [const { None }; 2 * MOST];
    let places = machine::online()
        .take(MOST)
        .flat_map(|cpu| [Place::Cpu(cpu), Place::Anywhere]);
    for (caller, place) in callers.iter_mut().zip(places) {
        *caller = Some(children::calling(endpoint, place)?);
    }
    let mut calls = 0;
    for child in callers.into_iter().flatten() {
        let sum = children::CALLS * (1 + MORE);
        checks.equal(name, process::wait(child.process()), Ok(End::Exited(sum)));
        calls += children::CALLS;
        child.forget()?;
    }
    checks.equal(name, SERVED.sum() - before, calls);
    let count = servers.iter().flatten().count();
    (0..count).try_for_each(|_| endpoint.call(&helpers::message(helpers::END, 0)).map(drop))?;
    for server in servers.into_iter().flatten() {
        server.join()?;
    }
    ipc::drop_capability(endpoint.0)
}
