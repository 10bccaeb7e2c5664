//! CPUs that go and come, and threads that count on whatever CPU they are while they are sent about.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use userlib::abi::syscall::CpuMask;
use userlib::abi::{Handle, Status};
use userlib::random::Random;
use userlib::thread::{self, Place, Thread};
use userlib::{Refusal, hotplug, machine, percpu, supervisor};

percpu! { static HITS: PerCpuCell<u64> = 0; }

/// Threads that count, for each CPU.
const FOR_EACH_CPU: usize = 2;
/// Most of them.
const MOST: usize = 32;
/// Increments between two changes of place.
const STAY: u64 = 500;

static IS_OVER: AtomicBool = AtomicBool::new(false);
/// Changes of the counting threads' sets of CPUs.
static MOVES: AtomicU64 = AtomicU64::new(0);

/// The CPUs, as they were at first, and those who count on them.
pub struct Weather {
    machine: Handle,
    /// Possible ones.
    cpus: usize,
    counting: [Option<Thread>; MOST],
    gone: u64,
}

/// What there was of it.
#[derive(Debug, Default)]
pub struct Climate {
    /// CPUs that went.
    pub gone: u64,
    /// Increments.
    pub hits: u64,
    /// Changes of place that threads asked for.
    pub moves: u64,
    /// Whether no increment was lost.
    pub is_right: bool,
}

impl Weather {
    /// Threads begin to count.
    pub fn new(random: &mut Random) -> Result<Weather, Refusal> {
        let mut weather = Weather {
            machine: supervisor::machine()?,
            cpus: machine::possible_cpus(),
            counting: [const { None }; MOST],
            gone: 0,
        };
        let threads = (FOR_EACH_CPU * weather.cpus).min(MOST);
        for place in &mut weather.counting[..threads] {
            let seed = random.number();
            let cpus = weather.cpus;
            *place = Some(thread::spawn(Place::Anywhere, move || count(seed, cpus))?);
        }
        Ok(weather)
    }

    /// A CPU goes, or one comes back.
    pub fn change(&mut self, random: &mut Random) -> Result<(), Refusal> {
        if self.cpus < 2 {
            return Ok(());
        }
        let cpu = 1 + random.below(self.cpus as u64 - 1) as usize;
        match machine::is_online(cpu) {
            true => {
                self.gone += 1;
                others_may_have_done_it(hotplug::take_off(self.machine, cpu))
            }
            false => others_may_have_done_it(hotplug::bring_back(self.machine, cpu)),
        }
    }

    /// All CPUs are back, and what was counted is compared with what those who counted say.
    pub fn end(mut self) -> Result<Climate, Refusal> {
        for cpu in 1..self.cpus {
            others_may_have_done_it(hotplug::bring_back(self.machine, cpu))?;
        }
        IS_OVER.store(true, Relaxed);
        let mut hits = 0;
        for thread in self.counting.iter_mut().filter_map(Option::take) {
            hits += thread.join()?;
        }
        Ok(Climate {
            gone: self.gone,
            hits,
            moves: MOVES.load(Relaxed),
            is_right: HITS.sum() == hits,
        })
    }
}

/// There may be more than one of this program, and CPUs that firmware only announces.
fn others_may_have_done_it(done: Result<(), Refusal>) -> Result<(), Refusal> {
    match done {
        Err(refusal) if refusal.status == Status::AlreadyOnline => Ok(()),
        Err(refusal) if refusal.status == Status::NotOnline => Ok(()),
        Err(refusal) if refusal.status == Status::NotPresent => Ok(()),
        other => other,
    }
}

/// Counts, and goes to another CPU now and then: to one, if it is there, or to wherever there is time. How often it counted.
fn count(seed: u64, cpus: usize) -> u64 {
    let mut random = Random::new(seed);
    let mut hits = 0;
    while !IS_OVER.load(Relaxed) {
        (0..STAY).for_each(|_| HITS.increment());
        hits += STAY;
        let cpu = random.below(2 * cpus as u64) as usize;
        let moved = match cpu < cpus {
            // One that is gone is refused: then it stays.
            true => thread::bind_self_loosely(&CpuMask::only(cpu)),
            false => thread::bind_self(&CpuMask::ALL),
        };
        MOVES.fetch_add(u64::from(moved.is_ok()), Relaxed);
        thread::yield_now();
    }
    hits
}
