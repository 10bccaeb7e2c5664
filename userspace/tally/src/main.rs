//! One number that everybody adds to: a per-CPU counter, which takes its lock once for a batch of additions, and a
//! budget that nobody can overdraw.
//!
//! A crowd of threads sends packets. Their bytes are added up; each packet takes a piece of a budget first, and a
//! thread that gets none goes without. Four more counters share one area of per-CPU memory.
#![no_std]
#![no_main]

use userlib::abi::syscall::CpuMask;
use userlib::allocator::{AllocateError, Allocator, Area};
use userlib::counter::PerCpuCounter;
use userlib::random::Random;
use userlib::sync::Once;
use userlib::{crowd, entry, machine, percpu, println};

entry!(main);

const ROUNDS: u64 = 20_000;
/// Pieces that there are for all.
const BUDGET: i64 = 1_000;
const SIZES: usize = 4;

percpu! {
    static BYTE_DELTAS: PerCpuCell<i32> = 0;
    static BUDGET_DELTAS: PerCpuCell<i32> = 0;
    static SENT: PerCpuCell<i64> = 0;
}

static BYTES: PerCpuCounter<BYTE_DELTAS> = PerCpuCounter::with_batch(BYTE_DELTAS, 65_536);
static IN_USE: PerCpuCounter<BUDGET_DELTAS> = PerCpuCounter::over(BUDGET_DELTAS);
static ALLOCATOR: Once<Allocator> = Once::new();
static AREA: Once<Area<'static>> = Once::new();
static BY_SIZE: Once<Option<[PerCpuCounter; SIZES]>> = Once::new();

fn main() -> Result<u64, AllocateError> {
    let allocator = ALLOCATOR.try_call_once(Allocator::new)?;
    let area = AREA.try_call_once(|| allocator.allocate(PerCpuCounter::bytes(SIZES), 4))?;
    let by_size = BY_SIZE.call_once(|| PerCpuCounter::many(area));
    let beyond = crowd::run(work)?;
    println!("bytes {} exactly, {} by a glance", BYTES.sum(), BYTES.read());
    let is_near = BYTES.sum().abs_diff(BYTES.read()) < BYTES.error();
    BYTES.sync(&CpuMask::ALL)?;
    println!(
        "after a visit to {} CPUs a glance says {}",
        machine::online_cpus(),
        BYTES.read()
    );
    println!(
        "budget in use {} of {BUDGET}, seen beyond it {beyond} times",
        IN_USE.sum()
    );
    let sizes = by_size.iter().flatten().map(PerCpuCounter::sum);
    let packets: i64 = sizes.sum();
    println!("packets of all sizes {packets}");
    let is_exact = BYTES.sum() == SENT.sum() && BYTES.read() == SENT.sum() && IN_USE.sum() == 0;
    let all_packets = crowd::size() as u64 * ROUNDS;
    Ok(u64::from(
        !is_exact || !is_near || beyond > 0 || packets as u64 != all_packets,
    ))
}

/// How often the budget seemed overdrawn.
fn work(thread: usize) -> u64 {
    let mut random = Random::new(thread as u64);
    let mut beyond = 0;
    for round in 0..ROUNDS {
        let size = random.below(SIZES as u64);
        let bytes = 64 << (2 * size);
        BYTES.add(bytes);
        SENT.add(bytes);
        if let Some(Some(counters)) = BY_SIZE.get() {
            counters[size as usize].add(1);
        }
        if round % 16 == 0 {
            let piece = 1 + random.below(BUDGET as u64 / 4) as i64;
            if IN_USE.limited_add(BUDGET, piece) {
                beyond += u64::from(IN_USE.read() > BUDGET + IN_USE.error() as i64);
                IN_USE.add(-piece);
            }
        }
    }
    beyond
}
