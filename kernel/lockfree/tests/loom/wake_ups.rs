//! A CPU never sleeps on a thread that was queued for it.

use loom::sync::{Arc, Mutex, Notify};
use loom::thread;

use crate::idle::Idle;

struct Cpu {
    queue: Mutex<Vec<u64>>,
    idle: Idle,
    /// Interrupts, which stay pending until the CPU sleeps.
    interrupt: Notify,
}

impl Cpu {
    fn new() -> Arc<Cpu> {
        Arc::new(Cpu {
            queue: Mutex::new(Vec::new()),
            idle: Idle::at_boot(),
            interrupt: Notify::new(),
        })
    }

    /// As `schedule::dispatch`: loom finds a sleep that nobody ends.
    fn run_one(&self) -> u64 {
        loop {
            let next = self.queue.lock().unwrap().pop();
            if let Some(thread) = next {
                return thread;
            }
            self.idle.begin();
            let is_empty = self.queue.lock().unwrap().is_empty();
            if is_empty {
                self.interrupt.wait();
            }
            self.idle.end();
        }
    }

    fn push(&self, thread: u64) {
        self.queue.lock().unwrap().push(thread);
        if self.idle.is_idle() {
            self.interrupt.notify();
        }
    }
}

#[test]
fn whatever_is_queued_runs() {
    loom::model(|| {
        let cpu = Cpu::new();
        cpu.idle.end();
        let other = cpu.clone();
        let other = thread::spawn(move || {
            other.push(1);
            other.push(2);
        });
        assert_eq!(cpu.run_one() + cpu.run_one(), 3);
        other.join().unwrap();
    });
}

/// Whoever looks before it says that it idles sleeps for ever.
#[test]
fn saying_it_too_late_would_be_seen() {
    assert!(crate::fails("wake_ups::saying_it_too_late_would_be_seen", || {
        let cpu = Cpu::new();
        cpu.idle.end();
        let other = cpu.clone();
        let other = thread::spawn(move || other.push(1));
        let is_empty = cpu.queue.lock().unwrap().is_empty();
        cpu.idle.begin();
        if is_empty {
            cpu.interrupt.wait();
        }
        other.join().unwrap();
    }));
}
