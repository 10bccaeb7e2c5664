//! The same load on every CPU at once: calls from a thread there to a server's thread there, all at one endpoint.
//!
//! That it costs the same with any number of CPUs could have a lock behind it, where virtual CPUs take turns. So every
//! round is a window for the witness in which memory is traced: no line may be written by two CPUs.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use userlib::abi::MAX_CPUS;
use userlib::checks::Checks;
use userlib::ipc::Endpoint;
use userlib::thread::{self, Place, Thread};
use userlib::{Refusal, machine, mark, println};

use crate::peer::Crew;
use crate::samples::{Samples, Stopwatch};
use crate::{stopwatch, warm_up};

/// Measured calls of each CPU.
const ROUNDS: usize = 1000;

/// How many clients are ready, and whether they may begin.
static READY: AtomicUsize = AtomicUsize::new(0);
static BEGIN: AtomicBool = AtomicBool::new(false);
/// What a CPU's calls cost, and the sum of the answers.
static COSTS: [AtomicU32; MAX_CPUS] = [const { AtomicU32::new(0) }; MAX_CPUS];
static SUMS: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];

/// Runs the load once, on all CPUs that are online.
/// Not inlined, for its room on the stack is needed only here.
#[inline(never)]
pub fn run(checks: &mut Checks, samples: &mut Samples) -> Result<(), Refusal> {
    let cpus = machine::online_cpus();
    let watch = samples.watch;
    let crew = Crew::start(machine::online())?;
    let endpoint = crew.endpoint;
    let mut clients = [const { None }; MAX_CPUS];
    for (cpu, client) in machine::online().zip(&mut clients) {
        *client = Some(thread::spawn(Place::Cpu(cpu), move || {
            call_all(endpoint, cpu, watch)
        })?);
    }
    while READY.load(Ordering::Relaxed) < cpus {
        thread::yield_now();
    }
    mark::row();
    BEGIN.store(true, Ordering::Relaxed);
    for client in clients.into_iter().flatten() {
        Thread::join(client)?;
    }
    mark::rest();
    let costs = machine::online().map(|cpu| COSTS[cpu].load(Ordering::Relaxed));
    let differing = samples.report("flat", costs, 1);
    if watch.is_exact {
        let why = format_args!("{differing} of {cpus} CPUs need more or fewer instructions");
        checks.that("flat-costs-the-same-on-every-cpu", differing == 0, why);
    }
    let got: u64 = machine::online()
        .map(|cpu| SUMS[cpu].load(Ordering::Relaxed))
        .sum();
    let expected: u64 = machine::online()
        .flat_map(|cpu| (0..ROUNDS).map(move |round| word(cpu, round)))
        .sum();
    println!("flat cpus {cpus} rounds {ROUNDS} sum {got} of {expected}");
    checks.equal("flat-sum", got, expected);
    Ok(())
}

/// What a CPU sends in a round.
fn word(cpu: usize, round: usize) -> u64 {
    (cpu as u64 + 1) << 32 | round as u64
}

/// A client: waits until all are ready, and calls.
fn call_all(endpoint: Endpoint, cpu: usize, watch: Stopwatch) -> u64 {
    warm_up(|| stopwatch::round_trip(endpoint));
    READY.fetch_add(1, Ordering::Relaxed);
    while !BEGIN.load(Ordering::Relaxed) {
        thread::yield_now();
    }
    let mut costs = [0; ROUNDS];
    let mut sum: u64 = 0;
    for (round, cost) in costs.iter_mut().enumerate() {
        let (answer, whole) = stopwatch::traced_round_trip(endpoint, word(cpu, round));
        *cost = u32::try_from(watch.without_empty(whole)).unwrap_or(u32::MAX);
        sum = sum.wrapping_add(answer);
    }
    costs.sort_unstable();
    COSTS[cpu].store(costs[ROUNDS / 2], Ordering::Relaxed);
    SUMS[cpu].store(sum, Ordering::Relaxed);
    0
}
