//! What the per-CPU types cost, in instructions: a row for each number, as in `bench`, which runs this program too.
//!
//! Under `--icount` the time stamp counter counts instructions, and the numbers are the same in every run and on
//! every machine. Without it they are ticks, and mean little. Each operation stands in the code sixteen times between
//! two readings, and then 32 times; the difference is what sixteen cost.
#![no_std]
#![no_main]

mod anchors;
#[expect(unsafe_code, reason = "RDTSC")]
mod clock;
mod objects;
mod regions;

use userlib::abi::syscall::CpuMask;
use userlib::allocator::AllocateError;
use userlib::checks::Checks;
use userlib::rounds::Rounds;
use userlib::sync::{Mutex, Once};
use userlib::{PerCpuCounter, PerCpuRef, entry, machine, percpu, println, thread};

entry!(main);

percpu! {
    static CELL: PerCpuCell<u64> = 0;
    static PAIR: PerCpuPair = [0, 0];
    static SLOT: PerCpuSlot<u64> = 0;
    static DELTAS: PerCpuCell<i32> = 0;
    static WORDS: PerCpuCell<u64> = 0;
}

static COUNTER: PerCpuCounter<DELTAS> = PerCpuCounter::with_batch(DELTAS, u32::MAX);
static FOLDING: PerCpuCounter<DELTAS> = PerCpuCounter::with_batch(DELTAS, 1);
static USERS: PerCpuRef<WORDS> = PerCpuRef::over(WORDS);

static IS_EXACT: Once<bool> = Once::new();
static CHECKS: Mutex<Checks> = Mutex::new(Checks::new());

/// Prints one row, and checks it if instructions are counted.
fn report(name: &str, rounds: Rounds) {
    rounds.print(name, anchors::of(name));
    if *IS_EXACT.call_once(clock::is_exact) {
        rounds.check(&mut CHECKS.lock(), name);
    }
}

fn main() -> Result<u64, AllocateError> {
    thread::bind_self(&CpuMask::only(0))?;
    let is_exact = *IS_EXACT.call_once(clock::is_exact);
    println!("bench counted {}", if is_exact { "yes" } else { "no" });
    println!("cpus {}", machine::possible_cpus());
    cells();
    counts();
    objects::report()?;
    if let Err(error) = regions::report() {
        println!("bench-percpu: {error}");
        return Ok(1);
    }
    Ok(CHECKS.lock().code())
}

fn cells() {
    report("cell-add", clock::each!(CELL.add(1)));
    report("cell-add-const", clock::each!(CELL.add_const::<3>()));
    report("cell-increment", clock::each!(CELL.increment()));
    report(
        "pair-compare-exchange",
        clock::each!(PAIR.compare_exchange([0, 0], [0, 0])),
    );
    report("cell-sum", clock::each!(core::hint::black_box(CELL.sum())));
    report("slot-take-and-drop", clock::each!(SLOT.take()));
}

fn counts() {
    report("counter-add", clock::each!(COUNTER.add(1)));
    report("counter-add-folding", clock::each!(FOLDING.add(1)));
    report(
        "counter-read",
        clock::each!(core::hint::black_box(COUNTER.read())),
    );
    report("counter-sum", clock::each!(core::hint::black_box(COUNTER.sum())));
    report(
        "reference-get-put",
        clock::each!({
            USERS.get();
            USERS.put()
        }),
    );
}
