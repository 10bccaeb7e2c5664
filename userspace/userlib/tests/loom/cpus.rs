//! Models of CPUs, of which a program sees its own at any time, and never knows for how long.
//!
//! One instruction of a CPU comes after the other, whichever threads they belong to: that is what a CPU's `turn` is for.
//! Inside of an instruction that reads and writes, other CPUs may do anything: it is a load and a store. Between two
//! instructions a thread may be moved: [`Place`] says where it is, and others may change that.

use std::cell::RefCell;

use loom::sync::atomic::{self, AtomicU64, AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex};

use crate::locks::in_turn;

/// How many CPUs there are.
pub const CPUS: usize = 2;
/// Words of a unit.
const WORDS: usize = 8;

/// A CPU with its unit.
pub struct Cpu {
    /// Held for one instruction.
    turn: Mutex<()>,
    unit: [AtomicU64; WORDS],
    /// Threads may come here.
    pub is_online: atomic::AtomicBool,
    /// No thread is here.
    is_parked: atomic::AtomicBool,
}

/// All CPUs, and how often they have changed.
pub struct Cpus {
    pub cpus: [Cpu; CPUS],
    pub generation: AtomicUsize,
}

loom::lazy_static! {
    static ref MACHINE: Cpus = Cpus {
        cpus: std::array::from_fn(|_| Cpu {
            turn: Mutex::new(()),
            unit: std::array::from_fn(|_| AtomicU64::new(0)),
            is_online: atomic::AtomicBool::new(true),
            is_parked: atomic::AtomicBool::new(false),
        }),
        generation: AtomicUsize::new(0),
    };
}

/// The machine of this model.
pub fn machine() -> &'static Cpus {
    &MACHINE
}

/// The CPU that a thread is on, for those who move it.
#[derive(Clone)]
pub struct Place(Arc<AtomicUsize>);

/// Where a thread is.
enum Whereabouts {
    /// Where it says itself.
    Fixed(usize),
    /// Where others say.
    Moved(Place),
}

loom::thread_local! {
    static WHERE: RefCell<Whereabouts> = RefCell::new(Whereabouts::Fixed(0));
}

impl Place {
    pub fn new(cpu: usize) -> Place {
        Place(Arc::new(AtomicUsize::new(cpu)))
    }

    /// From now on the calling thread is where this says.
    pub fn follow(&self) {
        WHERE.with(|place| place.replace(Whereabouts::Moved(self.clone())));
    }

    /// Moves whoever follows this, at some moment from now on. It sees what was done before.
    pub fn set(&self, cpu: usize) {
        self.0.store(cpu, Ordering::Release);
    }
}

/// The calling thread goes to a CPU, if that is online.
pub fn go_to(cpu: usize) -> bool {
    let target = &machine().cpus[cpu];
    let _turn = target.turn.lock().unwrap();
    let is_online = target.is_online.load(Ordering::Relaxed);
    if is_online {
        WHERE.with(|place| match &mut *place.borrow_mut() {
            Whereabouts::Fixed(at) => *at = cpu,
            Whereabouts::Moved(place) => place.set(cpu),
        });
    }
    is_online
}

fn here() -> usize {
    let place = WHERE.with(|place| match &*place.borrow() {
        Whereabouts::Fixed(cpu) => Ok(*cpu),
        Whereabouts::Moved(place) => Err(place.clone()),
    });
    place.unwrap_or_else(|place| place.0.load(Ordering::Acquire))
}

/// One instruction of the CPU that the thread is on, on words of its unit.
pub fn instruction<R>(body: impl FnOnce(&[AtomicU64]) -> R) -> R {
    loop {
        let cpu = here();
        let cpu_here = &machine().cpus[cpu];
        let _turn = cpu_here.turn.lock().unwrap();
        // A CPU that has parked in between has moved everybody away.
        if !cpu_here.is_parked.load(Ordering::Relaxed) {
            return body(&cpu_here.unit);
        }
    }
}

/// How an instruction reads a word of its own CPU: what was written last. As a change, because loom forgets that somebody
/// has read a word when another thread reads it and then writes it.
pub fn latest(word: &AtomicU64) -> u64 {
    word.fetch_add(0, Ordering::Relaxed)
}

/// No thread comes to a CPU any more that is not there.
pub fn begin_to_leave(cpu: usize) {
    let leaving = &machine().cpus[cpu];
    let _turn = leaving.turn.lock().unwrap();
    leaving.is_online.store(false, Ordering::Relaxed);
}

/// Programs see that CPUs have changed.
pub fn tell_cpus() {
    machine().generation.fetch_add(1, Ordering::SeqCst);
}

/// Whoever follows `place` is elsewhere from now on.
pub fn park(cpu: usize, place: &Place) {
    let parked = &machine().cpus[cpu];
    let _turn = parked.turn.lock().unwrap();
    place.set(0);
    parked.is_parked.store(true, Ordering::Relaxed);
}

/// As the kernel takes a CPU off.
pub fn take_off(cpu: usize, place: &Place) {
    begin_to_leave(cpu);
    tell_cpus();
    park(cpu, place);
}

/// What the kernel does for `ParkedExchange`. `None` while the CPU runs.
pub fn exchange_parked(cpu: usize, at: usize, current: u64, new: u64) -> Option<u64> {
    let parked = &machine().cpus[cpu];
    let _off = parked.turn.lock().unwrap();
    if !parked.is_parked.load(Ordering::Relaxed) {
        return None;
    }
    let found = parked.unit[at].load(Ordering::Relaxed);
    if found == current {
        parked.unit[at].store(new, Ordering::Relaxed);
    }
    Some(found)
}

/// A word of any CPU, by its ordinary address.
pub fn word(cpu: usize, at: usize) -> &'static AtomicU64 {
    &machine().cpus[cpu].unit[at]
}

/// As the processor's; each use of the value is seen by loom.
#[derive(Debug)]
pub struct UnsafeCell<T>(loom::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub fn new(value: T) -> UnsafeCell<T> {
        UnsafeCell(loom::cell::UnsafeCell::new(value))
    }

    pub fn get(&self) -> *mut T {
        self.0.with_mut(|value| value)
    }
}

/// As the processor's; each instruction waits for the thread's turn.
#[derive(Debug)]
pub struct AtomicBool(atomic::AtomicBool);

impl AtomicBool {
    pub fn new(value: bool) -> AtomicBool {
        AtomicBool(atomic::AtomicBool::new(value))
    }

    pub fn load(&self, order: Ordering) -> bool {
        in_turn(|| self.0.load(order))
    }

    pub fn store(&self, value: bool, order: Ordering) {
        in_turn(|| self.0.store(value, order));
    }

    pub fn swap(&self, value: bool, order: Ordering) -> bool {
        in_turn(|| self.0.swap(value, order))
    }

    pub fn compare_exchange(
        &self,
        current: bool,
        new: bool,
        success: Ordering,
        failure: Ordering,
    ) -> Result<bool, bool> {
        in_turn(|| self.0.compare_exchange(current, new, success, failure))
    }
}
