//! A CPU runs the most urgent thread of its queue, whoever makes it ready and when.

use loom::sync::{Arc, Mutex, Notify};
use loom::thread;

use crate::idle::Idle;
use crate::urgency::Urgency;

const LOW: u64 = 1;
const MIDDLE: u64 = 2;
const HIGH: u64 = 3;

struct Cpu {
    /// Priorities of threads that are ready.
    queue: Mutex<Vec<u64>>,
    urgency: Urgency,
    idle: Idle,
    /// Interrupts, which stay pending until the CPU takes them.
    interrupt: Notify,
}

impl Cpu {
    fn new() -> Arc<Cpu> {
        let cpu = Cpu {
            queue: Mutex::new(Vec::new()),
            urgency: Urgency::at_boot(),
            idle: Idle::at_boot(),
            interrupt: Notify::new(),
        };
        cpu.idle.end();
        Arc::new(cpu)
    }

    /// As `schedule::queue::push`.
    fn push(&self, priority: u64) {
        {
            let mut queue = self.queue.lock().unwrap();
            queue.push(priority);
            self.urgency.set_ready(occupied(&queue));
        }
        if self.idle.is_idle() || self.urgency.is_below(priority) {
            self.interrupt.notify();
        }
    }

    /// As `schedule::queue::pop`.
    fn pop(&self) -> Option<u64> {
        let mut queue = self.queue.lock().unwrap();
        let first = (0..queue.len()).max_by_key(|index| queue[*index])?;
        let priority = queue.remove(first);
        self.urgency.take(priority, occupied(&queue));
        Some(priority)
    }

    /// As `schedule::dispatch`: loom finds a sleep that nobody ends.
    fn dispatch(&self) -> u64 {
        loop {
            if let Some(priority) = self.pop() {
                return priority;
            }
            self.idle.begin();
            if !self.urgency.has_from(0) {
                self.interrupt.wait();
            }
            self.idle.end();
        }
    }

    /// The CPU goes on at a lower priority, and its thread stays in user mode until an interrupt comes: loom finds one that
    /// nobody sends. As `schedule::go_on`.
    fn make_room_at(&self, priority: u64, look: fn(&Urgency, u64) -> bool) {
        while !look(&self.urgency, priority) {
            self.interrupt.wait();
        }
    }
}

fn occupied(queue: &[u64]) -> u64 {
    queue.iter().fold(0, |all, priority| all | 1 << priority)
}

/// A thread of high priority goes on at a low one; another CPU makes one ready that is in between.
fn race(look: fn(&Urgency, u64) -> bool) {
    let cpu = Cpu::new();
    cpu.push(HIGH);
    cpu.interrupt.wait();
    assert_eq!(cpu.dispatch(), HIGH);
    let other = cpu.clone();
    let other = thread::spawn(move || other.push(MIDDLE));
    cpu.make_room_at(LOW, look);
    assert_eq!(cpu.dispatch(), MIDDLE);
    other.join().unwrap();
}

#[test]
fn the_more_urgent_gets_room() {
    loom::model(|| race(Urgency::run_at));
}

/// Who looks before it says at what priority it goes on keeps the other one waiting.
#[test]
fn looking_first_would_be_seen() {
    assert!(crate::fails("urgent::looking_first_would_be_seen", || {
        race(|urgency, priority| {
            let must_make_room = urgency.has_from(priority + 1);
            let _ = urgency.run_at(priority);
            must_make_room
        });
    }));
}

/// A CPU that is about to idle does not take the lock of its queue to look.
#[test]
fn the_first_ends_the_sleep() {
    loom::model(|| {
        let cpu = Cpu::new();
        let other = cpu.clone();
        let other = thread::spawn(move || other.push(LOW));
        assert_eq!(cpu.dispatch(), LOW);
        assert!(!cpu.urgency.has_from(0));
        other.join().unwrap();
    });
}
