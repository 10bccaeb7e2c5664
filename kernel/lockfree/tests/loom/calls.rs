//! A caller on one CPU and a receiver on another never miss each other.

use std::cell::Cell;
use std::collections::VecDeque;

use loom::sync::{Arc, Mutex, Notify};
use loom::thread;
use percpu_core::CpuId;

use crate::cpu_set::CpuSet;
use crate::head::{CLOSED, Head, OPEN};

const SERVER: CpuId = CpuId::BOOT;
const RECEIVER: u64 = 16;

/// An endpoint, and what the server's CPU was asked.
struct Endpoint {
    callers: Mutex<VecDeque<u64>>,
    cpus: CpuSet,
    asked: CpuSet,
    requests: Mutex<usize>,
    interrupt: Notify,
}

impl Endpoint {
    fn new() -> Arc<Endpoint> {
        Arc::new(Endpoint {
            callers: Mutex::new(VecDeque::new()),
            cpus: CpuSet::new(),
            asked: CpuSet::new(),
            requests: Mutex::new(0),
            interrupt: Notify::new(),
        })
    }

    /// As `Endpoint::meet_receiver` on a CPU without a receiver.
    fn call(&self, caller: u64) {
        self.callers.lock().unwrap().push_back(caller);
        if self.cpus.contains(SERVER) && self.asked.insert_first(SERVER) {
            *self.requests.lock().unwrap() += 1;
            self.interrupt.notify();
        }
    }

    /// As `Endpoint::meet_caller`: the next caller, or the receiver waits.
    fn receive(&self, head: &Head<'_>, order: Order) -> Option<u64> {
        let mut callers = self.callers.lock().unwrap();
        let caller = callers.pop_front();
        if order == Order::OpenWithoutTheLock {
            drop(callers);
        }
        if caller.is_none() {
            head.open();
            assert_ne!(head.word.get(), CLOSED);
            head.word.set(RECEIVER);
        }
        caller
    }

    /// The server's CPU takes `calls` calls one after the other, and sleeps when it finds none. Maybe somebody has waited
    /// there before.
    fn serve(&self, calls: usize, order: Order, was_open: bool) -> u64 {
        let word = Cell::new(CLOSED);
        let head = Head {
            word: &word,
            cpus: &self.cpus,
            cpu: SERVER,
        };
        if was_open {
            head.open();
        }
        let mut sum = 0;
        for _ in 0..calls {
            let mut found = self.receive(&head, order);
            while found.is_none() {
                self.interrupt.wait();
                found = self.serve_requests(&head, order);
            }
            sum += found.unwrap_or(0);
        }
        sum
    }

    /// As `Endpoint::meet_here`.
    fn serve_requests(&self, head: &Head<'_>, order: Order) -> Option<u64> {
        let was_asked = core::mem::take(&mut *self.requests.lock().unwrap()) > 0;
        if !was_asked {
            return None;
        }
        match order {
            Order::LookBeforeUnasking => {}
            _ => self.asked.remove(SERVER),
        }
        assert_eq!(head.word.replace(OPEN), RECEIVER);
        let found = self.receive(head, order);
        if order == Order::LookBeforeUnasking {
            self.asked.remove(SERVER);
        }
        found
    }
}

/// How it is done, and how it must not be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Right,
    OpenWithoutTheLock,
    LookBeforeUnasking,
}

fn race(order: Order, was_open: bool) {
    let endpoint = Endpoint::new();
    let server = endpoint.clone();
    let server = thread::spawn(move || server.serve(2, order, was_open));
    endpoint.call(1);
    endpoint.call(2);
    assert_eq!(server.join().unwrap(), 3);
}

#[test]
fn every_call_is_served() {
    loom::model(|| race(Order::Right, false));
    loom::model(|| race(Order::Right, true));
}

#[test]
fn calls_of_two_cpus_are_served() {
    loom::model(|| {
        let endpoint = Endpoint::new();
        let server = endpoint.clone();
        let server = thread::spawn(move || server.serve(2, Order::Right, false));
        let other = endpoint.clone();
        let other = thread::spawn(move || other.call(1));
        endpoint.call(2);
        other.join().unwrap();
        assert_eq!(server.join().unwrap(), 3);
    });
}

#[test]
fn waiting_outside_the_lock_would_be_seen() {
    assert!(crate::fails(
        "calls::waiting_outside_the_lock_would_be_seen",
        || race(Order::OpenWithoutTheLock, false)
    ));
}

#[test]
fn being_asked_no_more_before_looking_would_be_seen() {
    assert!(crate::fails(
        "calls::being_asked_no_more_before_looking_would_be_seen",
        || race(Order::LookBeforeUnasking, true)
    ));
}

/// A CPU that has left is not asked; its next receiver asks for callers itself.
#[test]
fn who_has_left_looks_first() {
    loom::model(|| {
        let endpoint = Endpoint::new();
        let server = endpoint.clone();
        let server = thread::spawn(move || {
            let word = Cell::new(CLOSED);
            let head = Head {
                word: &word,
                cpus: &server.cpus,
                cpu: SERVER,
            };
            head.open();
            head.leave();
            assert_eq!(word.get(), CLOSED);
            server.serve(1, Order::Right, false)
        });
        endpoint.call(1);
        assert_eq!(server.join().unwrap(), 1);
    });
}
