//! Counts in per-CPU memory with single instructions, on all CPUs at once, and finds every count again.
//!
//! One thread on each CPU and twice as many threads that the kernel moves about each add a million to three
//! cells: a static, one in a reserved region and one in a dynamic region. No lock is taken, and the kernel
//! preempts and migrates the threads meanwhile; the sums are exact all the same.
//!
//! `counter lossy` does the same in two instructions instead of one, and must lose counts: then the machine
//! really interleaves. `counter adds=N` adds N instead of a million.
#![no_std]
#![no_main]

#[expect(
    unsafe_code,
    reason = "unrolled instructions between two readings, and named symbols"
)]
mod adds;
mod load;
#[expect(unsafe_code, reason = "RDTSC around unrolled instructions")]
mod readings;
mod report;

use userlib::{entry, percpu, println, process, start};

use load::{Cells, Failure};

entry!(main);

const DEFAULT_ADDS: u64 = 1_000_000;

fn main() -> Result<u64, Failure> {
    let is_lossy = words().any(|word| word == "lossy");
    let adds = words().find_map(|word| word.strip_prefix("adds=")?.parse().ok());
    let adds = adds.unwrap_or(DEFAULT_ADDS);
    report::reserved_part(&percpu::hello()?);
    let cells = Cells::make()?;
    if is_lossy {
        let expected = load::run(adds, move || adds::lossy(adds))?;
        return Ok(report::lossy(expected));
    }
    readings::print();
    let before = process::stats(process::own())?;
    let expected = load::run(adds, move || cells.add(adds))?;
    let after = process::stats(process::own())?;
    report::table(&cells);
    let exact = report::sums(&cells, expected);
    let (preemptions, migrations) = (
        after.preemptions - before.preemptions,
        after.migrations - before.migrations,
    );
    println!("preemptions {preemptions} migrations {migrations}");
    Ok(u64::from(!exact))
}

fn words() -> impl Iterator<Item = &'static str> {
    start::argument().split_whitespace()
}
