//! The load: cells in both kinds of region, and the threads that count in them.

use core::fmt;

use userlib::percpu::{self, Populate, Region};
use userlib::sync::Once;
use userlib::thread::{self, Place, Thread};
use userlib::{PerCpuCell, Refusal, machine};

use crate::adds;

/// Threads that any CPU may run, for each CPU.
const FLOATING: usize = 2;
/// Most threads at once: each needs a slot in the capability table. Of more, the first have to end before
/// the last can start.
const MOST_THREADS: usize = 240;

/// The cells in the two regions; the static needs none of this.
#[derive(Clone, Copy)]
pub struct Cells {
    /// In pages of the first chunk's reserved part.
    pub reserved: PerCpuCell<u64>,
    /// In dynamic pages.
    pub dynamic: PerCpuCell<u64>,
}

impl Cells {
    /// Asks the percpu server for a region of each kind.
    pub fn make() -> Result<Cells, Failure> {
        static RESERVED: Once<Region> = Once::new();
        static DYNAMIC: Once<Region> = Once::new();
        let reserved = RESERVED.try_call_once(|| Region::reserve(64, 8))?;
        let dynamic = DYNAMIC.try_call_once(|| Region::create(64, Populate::All, "counter"))?;
        Ok(Cells {
            reserved: reserved.cell(8).ok_or(Failure::NoCell)?,
            dynamic: dynamic.cell(16).ok_or(Failure::NoCell)?,
        })
    }

    /// Adds one to all three, so many times.
    pub fn add(&self, adds: u64) -> u64 {
        for _ in 0..adds {
            adds::counter_add_static(1);
            adds::counter_add_reserved(self.reserved, 1);
            adds::counter_add_dynamic(self.dynamic);
        }
        0
    }
}

/// Runs `body` in a thread on each CPU and in two more that may run anywhere, waits for all, and gives back
/// how often `adds` was added.
pub fn run<F>(adds: u64, body: F) -> Result<u64, Failure>
where
    F: Fn() -> u64 + Copy + Send + 'static,
{
    let pinned = machine::online().map(Place::Cpu);
    let floating = FLOATING * machine::online_cpus();
    let places = pinned.chain(core::iter::repeat_n(Place::Anywhere, floating));
    let mut threads = [const { None }; MOST_THREADS];
    let mut started = 0;
    for place in places {
        let slot = &mut threads[started % MOST_THREADS];
        join(slot)?;
        *slot = Some(thread::spawn(place, body)?);
        started += 1;
    }
    threads.iter_mut().try_for_each(join)?;
    Ok(started as u64 * adds)
}

fn join(thread: &mut Option<Thread>) -> Result<(), Failure> {
    match thread.take().map(Thread::join) {
        None | Some(Ok(0)) => Ok(()),
        Some(Ok(code)) => Err(Failure::Thread(code)),
        Some(Err(refusal)) => Err(Failure::Kernel(refusal)),
    }
}

/// Why there is nothing to report.
#[derive(Clone, Copy, Debug)]
pub enum Failure {
    /// The percpu server refused.
    Percpu(percpu::Error),
    /// The kernel refused.
    Kernel(Refusal),
    /// A region has no room for a cell.
    NoCell,
    /// A thread ended with this code.
    Thread(u64),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Percpu(error) => error.fmt(f),
            Failure::Kernel(refusal) => write!(f, "the kernel refused: {refusal}"),
            Failure::NoCell => write!(f, "a region has no room for a cell"),
            Failure::Thread(code) => write!(f, "a thread ended with code {code}"),
        }
    }
}

impl From<percpu::Error> for Failure {
    fn from(error: percpu::Error) -> Failure {
        Failure::Percpu(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Kernel(refusal)
    }
}
