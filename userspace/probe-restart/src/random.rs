//! The percpu server ends at any instruction: another thread ends it, a random while after it was started, while three
//! clients keep it busy and others count.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use userlib::abi::Handle;
use userlib::abi::syscall::End;
use userlib::percpu::Error;
use userlib::random::Random;
use userlib::workload::Workload;
use userlib::{ipc, machine, percpu, println, process, supervisor, thread};

use crate::{STEPS, wrong};

percpu! {
    static HITS: PerCpuCell<u64> = 0;
}

/// Clients beside this one.
const CLIENTS: usize = 2;
/// Steps of such a client between two looks at what it holds.
const LOOK_AFTER: u64 = 16;
/// The longest while is two to this power, in turns of a loop.
const LONGEST: u64 = 17;

static IS_OVER: AtomicBool = AtomicBool::new(false);

/// `launched SEED 0 0`: a client that works until it is ended. Its code tells how many things were wrong.
pub fn client(seed: u64) -> Result<u64, Error> {
    let mut work = Workload::new(seed);
    loop {
        for _ in 0..LOOK_AFTER {
            work.step()?;
        }
        if work.wrong_words()? > 0 {
            println!("probe-restart: a client has lost what it counted");
            return Ok(1);
        }
    }
}

/// Counts on a cell of its own CPU's, needing no server. How often.
fn count() -> u64 {
    let mut hits = 0;
    while !IS_OVER.load(Ordering::Relaxed) {
        for _ in 0..50 {
            HITS.increment();
        }
        hits += 50;
        thread::yield_now();
    }
    hits
}

/// So many ends. How many things were wrong.
pub fn ends(work: &mut Workload, seed: u64, ends: u64) -> Result<u64, Error> {
    println!("probe-restart: seed {seed}, {ends} ends at random instructions");
    let mut random = Random::new(seed);
    let mut clients = [Handle::NONE; CLIENTS];
    for client in &mut clients {
        *client = supervisor::launch([random.number(), 0, 0])?;
    }
    let cpus = machine::online_cpus();
    let counters = [0, cpus - 1].map(|cpu| thread::spawn(thread::Place::Cpu(cpu), count));
    let mut bad = 0;
    for _ in 0..ends {
        bad += one_end(work, &mut random)?;
    }
    for client in clients {
        process::end(client)?;
        let end = process::wait(client)?;
        if end != End::Killed {
            println!("probe-restart: a client has ended by {end:?}");
            bad += 1;
        }
        ipc::drop_capability(client)?;
    }
    IS_OVER.store(true, Ordering::Relaxed);
    let mut hits = 0;
    for counter in counters {
        hits += counter?.join()?;
    }
    let counted = HITS.sum();
    println!("probe-restart: {hits} increments meanwhile");
    Ok(bad + u64::from(counted != hits || hits == 0))
}

/// Works until the server was ended and another one has answered.
fn one_end(work: &mut Workload, random: &mut Random) -> Result<u64, Error> {
    static ENDED: AtomicU64 = AtomicU64::new(0);
    let before = ENDED.load(Ordering::SeqCst);
    let longest = 1 << random.below(LONGEST);
    let turns = random.below(longest);
    let ender = thread::spawn(thread::Place::Anywhere, move || {
        for _ in 0..turns {
            core::hint::spin_loop();
        }
        let refused = supervisor::end_server().is_err();
        ENDED.fetch_add(1, Ordering::SeqCst);
        u64::from(refused)
    })?;
    while ENDED.load(Ordering::SeqCst) == before {
        work.step()?;
    }
    for _ in 0..random.below(STEPS) {
        work.step()?;
    }
    Ok(ender.join()? + wrong(work)?)
}
