//! The end of a process or thread, and those who wait for it.

use abi::Registers;
use abi::syscall::End;

use super::{Parked, Place, Queue, Thread};
use crate::cpu;
use crate::schedule;
use crate::sync::{Lock, rank};

/// Not ended yet, with those who wait; or ended.
pub struct Ending(Lock<State, { rank::ENDING }>);

struct State {
    end: Option<End>,
    waiters: Queue,
}

impl Ending {
    /// Not ended, and nobody waits.
    pub const fn new() -> Ending {
        Ending(Lock::new(State {
            end: None,
            waiters: Queue::new(),
        }))
    }

    /// Keeps the waiter until the end of the process or thread that is its place; gives it back when that is past, or when
    /// its own is.
    pub fn wait(&self, waiter: Parked, place: Place) -> Option<Parked> {
        let mut state = self.0.lock();
        if let Some(end) = state.end {
            return Some(told(waiter, end));
        }
        if !waiter.begins_to_wait(place) {
            return Some(waiter);
        }
        state.waiters.push_back(waiter);
        None
    }

    /// Takes out a waiter whose process has ended.
    pub fn take_out(&self, waiter: &Thread) -> Option<Parked> {
        self.0.lock().waiters.remove(waiter)
    }

    /// Ends it and wakes everybody who waits. The first end is the one that counts.
    pub fn finish(&self, end: End) {
        let mut state = self.0.lock();
        if state.end.is_some() {
            return;
        }
        state.end = Some(end);
        drop(state);
        while let Some(waiter) = self.pop() {
            waiter.has_waited();
            schedule::make_ready(told(waiter, end));
            cpu::breathe();
        }
    }

    fn pop(&self) -> Option<Parked> {
        self.0.lock().waiters.pop_front()
    }
}

/// It has gone with its process before that could say how.
impl Drop for Ending {
    fn drop(&mut self) {
        self.finish(End::Killed);
    }
}

fn told(mut waiter: Parked, end: End) -> Parked {
    waiter.answer(Ok(Registers::of(&end.encode())));
    waiter
}
