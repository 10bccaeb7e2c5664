//! Objects from a slab: what one thread allocates another one frees, on whatever CPU it is, and nobody takes a lock.
//!
//! A crowd of threads sends jobs to each other through a board of mailboxes: each turn a thread allocates a job,
//! puts it into some mailbox, and frees what it found there. In the end every job was done once.
#![no_std]
#![no_main]

use userlib::allocator::{AllocateError, Allocator};
use userlib::random::Random;
use userlib::slab::SlabBox;
use userlib::sync::{Mutex, Once};
use userlib::{PerCpuSlab, crowd, entry, percpu, println};

entry!(main);

const ROUNDS: u64 = 20_000;
const MAILBOXES: usize = 64;

/// What is to be done: a number, and its complement, so that a job that two threads hold at once would show.
struct Job {
    number: u64,
    complement: u64,
}

static ALLOCATOR: Once<Allocator> = Once::new();
static JOBS: Once<PerCpuSlab<'static, Job>> = Once::new();
static BOARD: [Mutex<Option<SlabBox<'static, Job>>>; MAILBOXES] = [const { Mutex::new(None) }; MAILBOXES];

percpu! {
    static DONE: PerCpuCell<u64> = 0;
    static SUM: PerCpuCell<u64> = 0;
    static TORN: PerCpuCell<u64> = 0;
}

fn main() -> Result<u64, AllocateError> {
    let allocator = ALLOCATOR.try_call_once(Allocator::new)?;
    JOBS.try_call_once(|| PerCpuSlab::new(allocator))?;
    let failed = crowd::run(work)?;
    let last = BOARD.iter().filter_map(|mailbox| mailbox.lock().take());
    last.for_each(finish);
    let jobs = crowd::size() as u64 * ROUNDS;
    println!(
        "jobs {} of {jobs}, torn {}, threads without memory {failed}",
        DONE.sum(),
        TORN.sum()
    );
    let is_exact = DONE.sum() == jobs && SUM.sum() == jobs * (jobs - 1) / 2 && TORN.sum() == 0;
    Ok(u64::from(!is_exact || failed > 0))
}

fn work(thread: usize) -> u64 {
    let Some(jobs) = JOBS.get() else { return 1 };
    let mut random = Random::new(thread as u64);
    for round in 0..ROUNDS {
        let number = thread as u64 * ROUNDS + round;
        let complement = !number;
        let Ok(job) = jobs.allocate(Job { number, complement }) else {
            return 1;
        };
        let mailbox = &BOARD[random.below(MAILBOXES as u64) as usize];
        let found = mailbox.lock().replace(job);
        found.into_iter().for_each(finish);
    }
    0
}

fn finish(job: SlabBox<'static, Job>) {
    DONE.increment();
    SUM.add(job.number);
    if job.complement != !job.number {
        TORN.increment();
    }
}
