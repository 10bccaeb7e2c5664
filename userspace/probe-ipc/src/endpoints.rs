//! Endpoints live in per-CPU words of the kernel, of which there are not many: the last one is refused by name, and
//! they come back.

use userlib::abi::{Handle, Rights, Status};
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint};
use userlib::process::{self, Child};
use userlib::thread::Place;
use userlib::{Refusal, println};

use crate::helpers::{self, answer, message};

/// Processes that keep endpoints for this one; each can keep some 500.
const KEEPERS: usize = 6;
/// Frames for such a process.
const FRAMES: u64 = 16;

/// Checks everything in this file.
pub fn check(checks: &mut Checks) -> Result<(), Refusal> {
    let first = exhaust(checks)?;
    let second = exhaust(checks)?;
    checks.equal("endpoints-come-back", second, first);
    Ok(())
}

/// How many endpoints there were, all of which are given back.
fn exhaust(checks: &mut Checks) -> Result<u64, Refusal> {
    let mut keepers: [Option<Child>; KEEPERS] = [const { None }; KEEPERS];
    let (mut made, mut refused) = (0, None);
    for keeper in &mut keepers {
        let child = Child::create(FRAMES, "probe-keeper")?;
        while refused.is_none() {
            match Endpoint::create() {
                Ok(endpoint) => {
                    let kept = keep(&child, endpoint.0);
                    if kept.is_err() {
                        break;
                    }
                    made += 1;
                }
                Err(refusal) => refused = Some(refusal),
            }
        }
        *keeper = Some(child);
    }
    let refusal = refused.unwrap_or(Refusal::new(Status::Ok));
    checks.equal("endpoints-exhausted", refusal.status, Status::EndpointsExhausted);
    let limit = refusal.words[0];
    println!("{made} endpoints of {limit} were left");
    checks.that(
        "endpoints-limit",
        made <= limit && limit - made < 64,
        format_args!("{made} made, {limit} said"),
    );
    for child in keepers.iter().flatten() {
        child.let_go()?;
    }
    one_works(checks)?;
    Ok(made)
}

/// Lets the process keep an endpoint in place of this one; a full table changes nothing.
fn keep(child: &Child, endpoint: Handle) -> Result<(), Refusal> {
    let granted = process::grant(child.process(), endpoint, Rights::ALL, 0);
    ipc::drop_capability(endpoint)?;
    granted.map(drop)
}

fn one_works(checks: &mut Checks) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let server = helpers::start(endpoint, Place::Cpu(0), |_| ())?;
    checks.equal(
        "endpoint-after-all",
        endpoint.call(&message(1, 1)),
        Ok(answer(1, 1)),
    );
    helpers::stop(endpoint, server)?;
    ipc::drop_capability(endpoint.0)
}
