//! Threads on all CPUs make, use and destroy regions at the same time, so that offsets and frames change
//! hands all the time. Nobody may ever see what another has written, or lose what it has written itself: a
//! page that is not cleared, or a translation that a CPU has kept too long, shows here.
#![no_std]
#![no_main]

mod churn;
mod stale;

use userlib::abi::PAGE_SIZE;
use userlib::abi::percpu::PercpuError;
use userlib::checks::Checks;
use userlib::percpu::{Error, Populate, Region};
use userlib::thread::{self, Place, Thread};
use userlib::{Refusal, entry, machine, percpu, println};

use churn::{Kind, churn};

entry!(main);

/// Rounds of each thread.
const ROUNDS: u64 = 60;
/// Most threads on pinned CPUs, and as many that float: each needs a slot of the capability table.
const MOST_THREADS: usize = 100;

fn main() -> u64 {
    let mut checks = Checks::new();
    stale::check(&mut checks);
    for (name, kind) in [
        ("reserved", Kind::Reserved),
        ("dynamic", Kind::Dynamic),
        ("populated-later", Kind::PopulatedLater),
    ] {
        let strange = all_at_once(kind);
        checks.equal(name, strange, Ok(0));
    }
    let limit = percpu::hello().map_or(0, |geometry| geometry.quota_pages);
    let all = Region::create((limit + 1) * PAGE_SIZE, Populate::All, "all");
    let nothing_held = PercpuError::QuotaExceeded { limit, used: 0 };
    checks.equal("holds-nothing", all, Err(Error::Refused(nothing_held)));
    checks.code()
}

/// One thread on each CPU and as many that float; how many strange values they saw.
fn all_at_once(kind: Kind) -> Result<u64, Refusal> {
    let mut threads = [const { None }; 2 * MOST_THREADS];
    let pinned = machine::online().map(Place::Cpu).take(MOST_THREADS);
    let floating = core::iter::repeat_n(Place::Anywhere, machine::online_cpus().min(MOST_THREADS));
    for (seed, (slot, place)) in threads.iter_mut().zip(pinned.chain(floating)).enumerate() {
        *slot = Some(thread::spawn(place, move || run(kind, seed as u64)));
    }
    // All are waited for, whatever becomes of one of them.
    let mut strange = Ok(0);
    for thread in threads.into_iter().flatten() {
        let code = thread.and_then(Thread::join);
        strange = strange.and_then(|sum| code.map(|code| sum + code));
    }
    strange
}

/// What a thread does, with the number of strange values as its code; an error counts as one.
fn run(kind: Kind, seed: u64) -> u64 {
    churn(kind, seed, ROUNDS).unwrap_or_else(|error| {
        println!("probe-regions: {error}");
        1
    })
}
