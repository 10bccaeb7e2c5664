//! The end of a process or thread, and those who wait for it.

use abi::Registers;
use abi::syscall::End;

use super::{Parked, Queue};
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

    /// Keeps the waiter until the end; gives it back when that is past.
    pub fn wait(&self, waiter: Parked) -> Option<Parked> {
        let mut state = self.0.lock();
        match state.end {
            Some(end) => {
                drop(state);
                Some(told(waiter, end))
            }
            None => {
                state.waiters.push_back(waiter);
                None
            }
        }
    }

    /// Ends it and wakes everybody who waits. The first end is the one that counts.
    pub fn finish(&self, end: End) {
        let mut waiters = {
            let mut state = self.0.lock();
            if state.end.is_some() {
                return;
            }
            state.end = Some(end);
            core::mem::take(&mut state.waiters)
        };
        while let Some(waiter) = waiters.pop_front() {
            schedule::make_ready(told(waiter, end));
            cpu::breathe();
        }
    }
}

fn told(mut waiter: Parked, end: End) -> Parked {
    waiter.answer(Ok(Registers::of(&end.encode())));
    waiter
}
