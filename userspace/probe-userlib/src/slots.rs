//! Slots, driven from CPU to CPU, and what becomes of them when the owner word is taken in the wrong way.

#[expect(unsafe_code, reason = "the wrong way to give a word back")]
mod racy;

use core::sync::atomic::{AtomicU64, Ordering};

use userlib::abi::syscall::CpuMask;
use userlib::checks::Checks;
use userlib::slot::Busy;
use userlib::{crowd, machine, percpu, thread};

const ROUNDS: u64 = 30_000;

percpu! {
    static PLAIN: PerCpuSlot<[u64; 4]> = [7, 0, 0, 0];
    static TAKEN: PerCpuCell<u64> = 0;
    static CONTENDED: PerCpuSlot<u64> = 0;
    static HELD: PerCpuCell<u64> = 0;
    static SHARED: PerCpu<AtomicU64> = AtomicU64::new(0);
}

/// A value that is written word by word, by one thread at a time.
pub fn check(checks: &mut Checks) {
    alone(checks);
    checks.equal("slots-crowd", crowd::run(work), Ok(0));
    let units = 0..machine::possible_cpus();
    let values = units.filter_map(|cpu| PLAIN.take_on(cpu)).flatten();
    let (mut free, mut sum) = (0, 0);
    for value in values {
        free += 1;
        sum += value[1];
        checks.that(
            "slots-whole",
            value[0] == 7 && value[1] == value[3],
            format_args!("{:?}", *value),
        );
    }
    checks.equal("slots-free", free, machine::possible_cpus());
    let contended = CONTENDED.take_on(0).and_then(Result::ok).map(|count| *count);
    checks.equal("slots-contended", contended, Some(HELD.sum()));
    checks.equal("slots-sum", sum, TAKEN.sum());
    let shared: u64 = SHARED.iter().map(|word| word.load(Ordering::Relaxed)).sum();
    checks.equal("shared-sum", shared, crowd::size() as u64 * ROUNDS);
    racy::check(checks);
}

/// One thread: a slot is for one at a time, whoever asks.
fn alone(checks: &mut Checks) {
    let units = machine::possible_cpus();
    let home = thread::bind_self(&CpuMask::only(0));
    checks.equal("slot-bound", home, Ok(()));
    {
        let first = PLAIN.take_on(0);
        checks.equal("slot-first", first.as_ref().map(Result::is_ok), Some(true));
        checks.equal(
            "slot-busy",
            PLAIN.take_on(0).map(|slot| slot.map(drop)),
            Some(Err(Busy)),
        );
        let others = PLAIN.take_any().map(drop);
        checks.equal("slot-any", others, if units == 1 { Err(Busy) } else { Ok(()) });
    }
    checks.equal(
        "slot-given-back",
        PLAIN.take_on(0).map(|slot| slot.is_ok()),
        Some(true),
    );
    checks.equal("slot-unbound", thread::bind_self(&CpuMask::ALL), Ok(()));
    checks.equal("slot-of-no-cpu", PLAIN.take_on(units).is_none(), true);
    checks.equal("shared-of-no-cpu", SHARED.on(units).is_none(), true);
}

fn work(_: usize) -> u64 {
    let mut wrong = 0;
    for round in 0..ROUNDS {
        if round % 64 == 0 {
            crowd::drive();
        }
        SHARED.this_cpu_hint(|word| word.fetch_add(1, Ordering::Relaxed));
        // The slot of one CPU, asked for by all at once.
        if let Some(Ok(mut count)) = CONTENDED.take_on(0) {
            let seen = core::hint::black_box(*count);
            *count = seen + 1;
            HELD.increment();
        }
        let Ok(mut value) = PLAIN.take() else {
            thread::yield_now();
            continue;
        };
        value[1] += 1;
        for word in [2, 3] {
            value[word] = value[word - 1];
        }
        wrong += u64::from(value[1] != value[3]);
        // Now and then it is held while the thread goes elsewhere, and given back from there.
        if round % 128 == 0 {
            crowd::drive();
            thread::yield_now();
        }
        drop(value);
        TAKEN.increment();
    }
    wrong
}
