//! Which locks a CPU holds, and whether it may take another. Without the feature `checked` all of it is nothing.

use core::cell::Cell;
use core::panic::Location;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::per_cpu;

macro_rules! ranks {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal $text:literal,)+) => {
        /// What locks guard, in the order in which they may be taken.
        pub mod rank {
            $($(#[doc = $doc])+ pub const $name: u8 = $number;)+
        }

        const NAMES: &[&str] = &[$($text,)+];
        const _: () = {
            let numbers = [$($number as usize,)+];
            let mut index = 0;
            while index < numbers.len() {
                assert!(numbers[index] == index, "ranks are numbered in their order");
                index += 1;
            }
        };
    };
}

ranks! {
    /// A process' capabilities.
    TABLE = 0 "capability table",
    /// A process' threads.
    THREADS = 1 "list of threads",
    /// Which address space a process has.
    SPACE_OF = 2 "word for the address space",
    /// CPUs that go and come.
    CHANGE = 3 "change of CPUs",
    /// What an address space has mapped.
    SPACE = 4 "address space",
    /// Which pages of memory are in use.
    MEMORY = 5 "memory object",
    /// Who wants to know of an end.
    NOTICES = 6 "list of notices",
    /// Whom an interrupt is told to.
    INTERRUPT = 7 "interrupt",
    /// Where a thread's faults are told.
    HANDLER = 8 "fault handler",
    /// Bits, and who waits for them.
    NOTIFICATION = 9 "notification",
    /// Which endpoints there are.
    ENDPOINTS = 10 "list of endpoints",
    /// Callers that wait.
    ENDPOINT = 11 "endpoint",
    /// An end, and who waits for it.
    ENDING = 12 "ending",
    /// Threads whose CPUs are off.
    SUSPENDED = 13 "suspended threads",
    /// What a thread waits for.
    PLACE = 14 "place of a thread",
    /// Where a thread may run.
    AFFINITY = 15 "affinity",
    /// Calls handed to a CPU.
    REQUESTS = 16 "queue of requests",
    /// Threads that are ready.
    RUN_QUEUE = 17 "run queue",
    /// Processes that end with their maker.
    BELOW = 18 "processes below one",
    /// Who wants to know of CPUs that go and come.
    CPU_NOTICES = 19 "list of notices of CPUs",
    /// What was derived from what.
    TREE = 20 "tree of capabilities",
    /// Pages of the heap that an account pays for.
    PAGES = 21 "heap of an account",
    /// What a process pays.
    ACCOUNT = 22 "account",
    /// The kernel's part of the first chunk.
    WORDS = 23 "per-CPU words",
    /// The allocator.
    HEAP = 24 "heap",
    /// Free frames of a node.
    FRAMES = 25 "frame pool",
    /// Registers of I/O APICs.
    LINES = 26 "lines of interrupts",
    /// The serial line.
    CONSOLE = 27 "console",
}

type Place = Option<&'static Location<'static>>;

per_cpu! {
    /// Where this CPU took the lock of each rank that it holds.
    static HELD: [Cell<Place>; NAMES.len()] = [const { Cell::new(None) }; NAMES.len()];
}

/// Locks are taken long before there are per-CPU variables.
static IS_STARTED: AtomicBool = AtomicBool::new(false);

/// From here on locks are looked at. Every CPU that runs from now on has a GS base.
pub fn start_checking() {
    if cfg!(feature = "checked") {
        IS_STARTED.store(true, Ordering::SeqCst);
        crate::log!("locks: their order is checked");
    }
}

#[inline]
fn is_checking() -> bool {
    cfg!(feature = "checked") && IS_STARTED.load(Ordering::Relaxed)
}

/// Whoever has this holds a lock of this rank.
pub struct Held<const RANK: u8>(());

impl<const RANK: u8> Held<RANK> {
    /// About to take one: none of the same rank or a later one may be held.
    #[inline]
    #[track_caller]
    pub fn take() -> Self {
        if is_checking() {
            let here = Location::caller();
            if let Some((held, place)) = first_held(RANK as usize) {
                panic!(
                    "lock order: {} at {here}, while {} is held since {place}",
                    NAMES[RANK as usize], NAMES[held]
                );
            }
            HELD.local()[RANK as usize].set(Some(here));
        }
        Held(())
    }
}

impl<const RANK: u8> Drop for Held<RANK> {
    #[inline]
    fn drop(&mut self) {
        if is_checking() {
            HELD.local()[RANK as usize].set(None);
        }
    }
}

/// A place where no lock may be held.
#[inline]
pub fn check_none_is_held(place: &str) {
    if is_checking()
        && let Some((held, since)) = first_held(0)
    {
        panic!("lock order: {} is held {place}, since {since}", NAMES[held]);
    }
}

fn first_held(from: usize) -> Option<(usize, &'static Location<'static>)> {
    let held = HELD.local().iter().enumerate().skip(from);
    { held }.find_map(|(rank, place)| Some((rank, place.get()?)))
}
