//! Every operation of a per-CPU cell: each function below is one instruction on this CPU's copy, and no lock.
//!
//! A crowd of threads, moved about by the kernel, counts events by kind, notes which bits it has seen, and keeps the
//! largest value; what it finds in the end is exact, because no single instruction can be torn.
#![no_std]
#![no_main]

#[expect(unsafe_code, reason = "named symbols, so that a disassembly can be checked")]
mod named;

use userlib::abi::syscall::CpuMask;
use userlib::cell::SmallEnum;
use userlib::percpu::{Populate, Region};
use userlib::{crowd, entry, machine, percpu, println, thread};

entry!(main);

/// How a CPU is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum Mood {
    Fresh = 0,
    Busy = 1,
    Done = 2,
}

impl SmallEnum for Mood {
    fn to_byte(self) -> u8 {
        self as u8
    }

    fn from_byte(byte: u8) -> Mood {
        match byte {
            0 => Mood::Fresh,
            1 => Mood::Busy,
            _ => Mood::Done,
        }
    }
}

percpu! {
    static EVENTS: PerCpuCell<u64> = 0;
    static SEEN: PerCpuCell<u32> = 0;
    static LARGEST: PerCpuCell<i64> = i64::MIN;
    static MOOD: PerCpuCell<Mood> = Mood::Fresh;
}

const ROUNDS: u64 = 20_000;

fn main() -> Result<u64, percpu::Error> {
    let region = Region::create(64, Populate::All, "cells")?;
    let (Some(cell), Some(pair)) = (region.cell(8), region.pair(16)) else {
        return Ok(1);
    };
    thread::bind_self(&CpuMask::only(0))?;
    let is_each_right = named::demonstrate(&cell, &pair);
    println!(
        "every operation once: {}",
        if is_each_right { "right" } else { "wrong" }
    );
    thread::bind_self(&CpuMask::ALL)?;
    let threads = crowd::size() as u64;
    crowd::run(work)?;
    for cpu in machine::online() {
        thread::bind_self(&CpuMask::only(cpu))?;
        MOOD.set(Mood::Done);
    }
    let seen = SEEN.iter().fold(0, |all, bits| all | bits);
    let largest = LARGEST.iter().max().unwrap_or(i64::MIN);
    let done = MOOD.iter().filter(|mood| *mood == Mood::Done).count();
    println!("events {} of {}", EVENTS.sum(), threads * ROUNDS);
    println!("bits seen {seen:#x}, largest {largest}, CPUs done {done}");
    let expected = (threads * ROUNDS, u32::MAX, (threads * ROUNDS) as i64 - 1);
    let is_exact = (EVENTS.sum(), seen, largest) == expected;
    Ok(u64::from(
        !is_each_right || !is_exact || done != machine::online_cpus(),
    ))
}

fn work(thread: usize) -> u64 {
    for round in 0..ROUNDS {
        EVENTS.increment();
        SEEN.or(1 << (round % 32));
        MOOD.set(Mood::Busy);
        keep_largest((thread as u64 * ROUNDS + round) as i64);
    }
    0
}

/// Two instructions, `mov` and `cmpxchg`: when the thread was moved between them, the second one changes nothing,
/// or changes a copy that had the same value, and both are right.
fn keep_largest(value: i64) {
    let mut known = LARGEST.get();
    while known < value {
        match LARGEST.compare_exchange(known, value) {
            Ok(_) => return,
            Err(found) => known = found,
        }
    }
}
