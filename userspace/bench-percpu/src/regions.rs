//! What the percpu server costs: a region made and given back, one round trip each.
//!
//! Rows are `bench NAME MEDIAN min MIN max MAX disturbed D rounds N`, in instructions under `--icount`; names say how
//! many pages of each unit, and how many CPUs.

use core::arch::asm;

use userlib::abi::PAGE_SIZE;
use userlib::percpu::{self, Error, Populate, Region};
use userlib::{machine, println, thread};

/// Measured rounds of each row.
const ROUNDS: usize = 65;

/// The time stamp counter.
#[inline(always)]
fn now() -> u64 {
    let [low, high]: [u64; 2];
    // SAFETY: reads a counter that programs may read.
    unsafe { asm!("rdtsc", out("rax") low, out("rdx") high, options(nostack)) };
    high << 32 | low
}

/// A row of the rounds' costs.
fn print(name: &str, pages: u64, costs: &mut [u64; ROUNDS]) {
    costs.sort_unstable();
    let [min, median, max] = [0, ROUNDS / 2, ROUNDS - 1].map(|at| costs[at]);
    let disturbed = costs.iter().filter(|cost| **cost != median).count();
    let cpus = machine::possible_cpus();
    println!(
        "bench {name}-{pages}-pages-{cpus}-cpus {median} min {min} max {max} disturbed {disturbed} rounds {ROUNDS}"
    );
}

/// Measures and prints.
pub fn report() -> Result<(), Error> {
    call("percpu-stats", || percpu::stats().map(drop))?;
    for pages in [1, 8] {
        pair("region-none", pages, Populate::None)?;
        pair("region-on-touch", pages, Populate::OnTouch)?;
        pair("region", pages, Populate::All)?;
    }
    Ok(())
}

fn call(name: &str, mut act: impl FnMut() -> Result<(), Error>) -> Result<(), Error> {
    let mut costs = [0; ROUNDS];
    for cost in &mut costs {
        let start = now();
        act()?;
        *cost = now().wrapping_sub(start);
    }
    print(name, 0, &mut costs);
    Ok(())
}

/// Making a region and giving it back. A first one is there before, so that nothing happens for the first time.
fn pair(name: &str, pages: u64, populate: Populate) -> Result<(), Error> {
    Region::create(pages * PAGE_SIZE, populate, "first")?.destroy()?;
    let (mut made, mut given) = ([0; ROUNDS], [0; ROUNDS]);
    for (made, given) in made.iter_mut().zip(&mut given) {
        thread::yield_now();
        let start = now();
        let region = Region::create(pages * PAGE_SIZE, populate, "bench")?;
        *made = now().wrapping_sub(start);
        let start = now();
        region.destroy()?;
        *given = now().wrapping_sub(start);
    }
    println!("{name}:");
    print("create", pages, &mut made);
    print("destroy", pages, &mut given);
    Ok(())
}
