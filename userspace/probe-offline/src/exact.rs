//! Every count is found again: three threads for each CPU count, one of them bound, while each CPU goes and comes.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use userlib::abi::Handle;
use userlib::checks::Checks;
use userlib::{PerCpuCounter, crowd, machine, percpu, thread};

use crate::helpers::{off, on};

percpu! {
    static COUNT: PerCpuCell<u64> = 0;
    static SMALL: PerCpuCell<u8> = 0;
    static PARTS: PerCpuCell<i32> = 0;
}

static TOTAL: PerCpuCounter<PARTS> = PerCpuCounter::over(PARTS);
static STOP: AtomicBool = AtomicBool::new(false);
/// Threads of the crowd that run.
static STARTED: AtomicU64 = AtomicU64::new(0);
static DONE: AtomicU64 = AtomicU64::new(0);

/// Adds before a thread looks whether it shall stop.
const ADDS: u64 = 64;

/// Checks everything in this file.
pub fn check(checks: &mut Checks, machine: Handle) {
    let driver = thread::spawn(thread::Place::Cpu(0), move || {
        // Nobody can be bound to a CPU that has gone.
        while STARTED.load(SeqCst) < crowd::size() as u64 {
            thread::yield_now();
        }
        let mut wrong = 0;
        for cpu in machine::online().skip(1).collect::<Cpus>() {
            wrong += u64::from(off(machine, cpu).is_err());
            // Others fold what it has left behind, while it is away.
            wrong += u64::from(TOTAL.fold_parked(cpu).is_err());
            (0..20).for_each(|_| thread::yield_now());
            wrong += u64::from(on(machine, cpu).is_err());
        }
        STOP.store(true, SeqCst);
        wrong
    });
    let counted = crowd::run(|_| {
        STARTED.fetch_add(1, SeqCst);
        while !STOP.load(SeqCst) {
            for _ in 0..ADDS {
                COUNT.increment();
                SMALL.add(1);
                TOTAL.add(1);
            }
            DONE.fetch_add(ADDS, SeqCst);
            crowd::drive();
        }
        0
    });
    checks.equal("crowd", counted, Ok(0));
    checks.equal("driver", driver.and_then(thread::Thread::join), Ok(0));
    let done = DONE.load(SeqCst);
    checks.that("counted", done > 10_000, format_args!("only {done}"));
    checks.equal("exact-sum", COUNT.sum(), done);
    checks.equal("exact-small", SMALL.sum(), done as u8);
    checks.equal("exact-counter", TOTAL.sum(), done as i64);
}

/// A list of CPUs that does not change while they do.
struct Cpus([bool; userlib::abi::MAX_CPUS]);

impl FromIterator<usize> for Cpus {
    fn from_iter<I: IntoIterator<Item = usize>>(cpus: I) -> Cpus {
        let mut list = [false; userlib::abi::MAX_CPUS];
        cpus.into_iter().for_each(|cpu| list[cpu] = true);
        Cpus(list)
    }
}

impl IntoIterator for Cpus {
    type Item = usize;
    type IntoIter = core::iter::FilterMap<
        core::iter::Enumerate<core::array::IntoIter<bool, { userlib::abi::MAX_CPUS }>>,
        fn((usize, bool)) -> Option<usize>,
    >;

    fn into_iter(self) -> Self::IntoIter {
        self.0
            .into_iter()
            .enumerate()
            .filter_map(|(cpu, is_in)| is_in.then_some(cpu))
    }
}
