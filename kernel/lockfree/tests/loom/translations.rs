//! A frame is given away only when no CPU can reach it any more.

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use loom::sync::{Arc, Mutex};
use loom::thread;
use percpu_core::CpuId;

use crate::cpu_set::CpuSet;
use crate::flush::Flush;
use crate::loaded::Loaded;

const ROOT: u64 = 1;
const KERNEL: u64 = 2;
const WALKER: CpuId = CpuId::BOOT;

/// A page table of one entry, the frame behind it, and what the kernel knows of a CPU that walks it.
struct Machine {
    entry: AtomicU64,
    frame: UnsafeCell<u64>,
    cpus: CpuSet,
    loaded: Loaded,
    mailbox: Mutex<Vec<Arc<Flush>>>,
    is_over: AtomicBool,
}

impl Machine {
    fn new() -> Arc<Machine> {
        Arc::new(Machine {
            entry: AtomicU64::new(1),
            frame: UnsafeCell::new(0),
            cpus: CpuSet::new(),
            loaded: Loaded::nothing(),
            mailbox: Mutex::new(Vec::new()),
            is_over: AtomicBool::new(false),
        })
    }

    fn drain(&self) {
        while let Some(request) = { self.mailbox.lock().unwrap().pop() } {
            request.acknowledge();
        }
    }

    /// A CPU enters the address space, uses the frame if it is mapped, and serves its mailbox from then on.
    fn walk(&self, load_cr3: fn()) {
        self.cpus.insert(WALKER);
        self.loaded.switch(ROOT, |_| load_cr3());
        if self.entry.load(Ordering::Relaxed) != 0 {
            self.frame.with(|_| ());
        }
        while !self.is_over.load(Ordering::Acquire) {
            self.drain();
            thread::yield_now();
        }
        self.drain();
    }

    /// Another unmaps the frame, waits, and has it for itself: as `mailbox::shoot_down`.
    fn unmap(&self, waits: bool) {
        self.entry.store(0, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let flush = Arc::new(Flush::new(ROOT));
        if self.cpus.contains(WALKER) && self.loaded.root() == flush.root {
            flush.expect_one();
            self.mailbox.lock().unwrap().push(flush.clone());
        }
        while waits && !flush.is_done() {
            thread::yield_now();
        }
        self.frame.with_mut(|_| ());
        self.is_over.store(true, Ordering::Release);
    }
}

fn race(load_cr3: fn(), waits: bool) {
    let machine = Machine::new();
    let walker = machine.clone();
    let walker = thread::spawn(move || walker.walk(load_cr3));
    machine.unmap(waits);
    walker.join().unwrap();
}

fn serializing() {
    fence(Ordering::SeqCst);
}

#[test]
fn the_frame_is_nobodys_when_it_is_given_away() {
    loom::model(|| race(serializing, true));
}

#[test]
fn giving_it_away_at_once_would_be_seen() {
    assert!(crate::fails(
        "translations::giving_it_away_at_once_would_be_seen",
        || race(serializing, false)
    ));
}

/// Loading CR3 has to wait for the stores before it.
#[test]
fn a_load_that_overtakes_the_store_would_be_seen() {
    assert!(crate::fails(
        "translations::a_load_that_overtakes_the_store_would_be_seen",
        || race(|| (), true)
    ));
}

/// A CPU that has left for another page table is not asked, and need not be.
#[test]
fn who_has_left_is_not_asked() {
    loom::model(|| {
        let machine = Machine::new();
        let walker = machine.clone();
        let walker = thread::spawn(move || {
            walker.cpus.insert(WALKER);
            walker.loaded.switch(ROOT, |_| serializing());
            if walker.entry.load(Ordering::Relaxed) != 0 {
                walker.frame.with(|_| ());
            }
            walker.loaded.switch(KERNEL, |_| serializing());
            walker.cpus.remove(WALKER);
            while !walker.is_over.load(Ordering::Acquire) {
                walker.drain();
                thread::yield_now();
            }
            walker.drain();
        });
        machine.unmap(true);
        walker.join().unwrap();
    });
}

/// Bits of one word, changed by several at once.
#[test]
fn no_cpu_of_a_set_is_lost() {
    let [first, second] = [CpuId::new(1), CpuId::new(63)];
    loom::model(move || {
        let set = Arc::new(CpuSet::new());
        set.insert(first);
        let other = set.clone();
        let other = thread::spawn(move || {
            other.remove(first);
            other.insert_first(first)
        });
        assert!(set.insert_first(second));
        assert!(!set.insert_first(second));
        assert!(other.join().unwrap());
        assert!(set.contains(first) && set.contains(second));
    });
}
