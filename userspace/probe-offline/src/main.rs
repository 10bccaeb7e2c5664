//! CPUs that go and come: what is refused, what becomes of threads, receivers and callers, and that nothing is lost.
//!
//! `probe-offline:SEED` for another seed of what goes when, `probe-offline:SEED,ROUNDS` for only that, so many rounds of
//! it. `probe-offline:leave` takes a CPU off and ends, for somebody who looks from outside. `launched SEED 0 0` is a client
//! that goes on until somebody ends it.
#![no_std]
#![no_main]

mod bound;
mod churn;
mod ended;
mod exact;
mod folding;
mod helpers;
mod notices;
mod parked;
mod receivers;
mod refusals;
mod server;

use userlib::abi::Handle;
use userlib::checks::Checks;
use userlib::{entry, machine, start, supervisor};

entry!(main);

/// Rounds of what goes and comes at random.
const ROUNDS: u64 = 12;

fn main() -> u64 {
    let argument = start::argument();
    if let Some(numbers) = argument.strip_prefix("launched ") {
        return churn::client(number(numbers.split(' ').next()).unwrap_or(0));
    }
    let mut checks = Checks::new();
    let Some(machine) = checks.success("machine", supervisor::machine()) else {
        return checks.code();
    };
    if argument == "leave" {
        checks.equal("left-off", helpers::off(machine, 1), Ok(()));
        return checks.code();
    }
    let mut numbers = argument.split(',');
    let (seed, rounds) = (number(numbers.next()), number(numbers.next()));
    if rounds.is_none() {
        check_all(&mut checks, machine);
    }
    churn::check(&mut checks, machine, seed.unwrap_or(1), rounds.unwrap_or(ROUNDS));
    all_at_once(&mut checks, machine);
    checks.code()
}

fn number(word: Option<&str>) -> Option<u64> {
    word?.parse().ok()
}

fn check_all(checks: &mut Checks, machine: Handle) {
    refusals::check(checks, machine);
    notices::check(checks, machine);
    parked::check(checks, machine);
    bound::check(checks, machine);
    ended::check(checks, machine);
    receivers::check(checks, machine);
    folding::check(checks, machine);
    server::check(checks);
    exact::check(checks, machine);
}

/// All CPUs but the boot CPU go in a row, and come back.
fn all_at_once(checks: &mut Checks, machine: Handle) {
    let cpus = machine::online_cpus();
    let others = || (1..cpus).filter(|cpu| *cpu < machine::possible_cpus());
    let gone = others().try_for_each(|cpu| helpers::off(machine, cpu));
    checks.equal("all-but-one-go", gone, Ok(()));
    checks.equal("one-is-left", machine::online_cpus(), 1);
    checks.equal("and-works", helpers::works(), true);
    let back = others().rev().try_for_each(|cpu| helpers::on(machine, cpu));
    checks.equal("all-come-back", back, Ok(()));
    checks.equal("all-are-back", machine::online_cpus(), cpus);
    checks.equal("and-all-work", helpers::works(), true);
}
