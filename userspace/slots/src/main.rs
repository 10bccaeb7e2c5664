//! Two ways to have one value for each CPU that is more than a word: `PerCpu<T>`, for a `T` that takes care of
//! itself, and `PerCpuSlot<T>`, for any `T`, one thread at a time.
//!
//! A crowd of threads takes notes. Short notes go through a lock that is this CPU's most of the time; long ones
//! are made in this CPU's scratch buffer, and a thread that finds it taken makes do without.
#![no_std]
#![no_main]

use userlib::sync::Mutex;
use userlib::{Refusal, crowd, entry, machine, percpu, println};

entry!(main);

const ROUNDS: u64 = 5_000;

/// What a CPU has noted.
#[derive(Clone, Copy)]
struct Notes {
    count: u64,
    sum: u64,
}

/// A buffer, and how often it was used.
struct Scratch {
    bytes: [u8; 200],
    uses: u64,
}

percpu! {
    static NOTES: PerCpu<Mutex<Notes>> = Mutex::new(Notes { count: 0, sum: 0 });
    static SCRATCH: PerCpuSlot<Scratch> = Scratch { bytes: [0; 200], uses: 0 };
    static WITHOUT: PerCpuCell<u64> = 0;
    static WRONG: PerCpuCell<u64> = 0;
}

fn main() -> Result<u64, Refusal> {
    let expected = crowd::size() as u64 * ROUNDS;
    crowd::run(work)?;
    let (mut count, mut sum) = (0, 0);
    for notes in NOTES.iter().map(|notes| *notes.lock()) {
        count += notes.count;
        sum += notes.sum;
    }
    println!("notes {count} of {expected}, sum {sum}");
    let mut uses = 0;
    for cpu in 0..machine::possible_cpus() {
        match SCRATCH.take_on(cpu) {
            Some(Ok(scratch)) => uses += scratch.uses,
            _ => println!("CPU {cpu}: a slot was not given back"),
        }
    }
    println!(
        "scratch buffers used {uses} times, found taken {} times",
        WITHOUT.sum()
    );
    let is_exact = (count, sum) == (expected, expected * 3) && uses + WITHOUT.sum() == expected;
    Ok(u64::from(!is_exact || WRONG.sum() > 0))
}

fn work(thread: usize) -> u64 {
    for round in 0..ROUNDS {
        NOTES.this_cpu_hint(|notes| {
            let mut notes = notes.lock();
            notes.count += 1;
            notes.sum += 3;
        });
        match SCRATCH.take() {
            Ok(mut scratch) => {
                let mark = (thread as u64 + round) as u8;
                scratch.bytes.fill(mark);
                scratch.uses += 1;
                if scratch.bytes.iter().any(|byte| *byte != mark) {
                    WRONG.increment();
                }
            }
            Err(_busy) => WITHOUT.increment(),
        }
    }
    0
}
