//! Queues of threads by priority: who came first goes first among equals, and nobody before who is more urgent.

use abi::syscall::PRIORITIES;

use crate::object::{Parked, Queue, Thread};

/// How many levels there are.
const LEVELS: usize = PRIORITIES as usize;

/// A queue for each priority, and which of them are not empty.
pub struct Levels {
    queues: [Queue; LEVELS],
    /// Bit p: the queue of priority p has something.
    occupied: u64,
}

impl Levels {
    /// Empty.
    pub const fn new() -> Levels {
        Levels {
            queues: [const { Queue::new() }; LEVELS],
            occupied: 0,
        }
    }

    /// Puts a thread behind or in front of all others of its priority, which is below [`PRIORITIES`].
    pub fn push(&mut self, priority: u64, thread: Parked, is_first: bool) {
        let queue = &mut self.queues[priority as usize];
        match is_first {
            true => queue.push_front(thread),
            false => queue.push_back(thread),
        }
        self.occupied |= 1 << priority;
    }

    /// Takes the most urgent one, and its priority.
    pub fn pop(&mut self) -> Option<(u64, Parked)> {
        self.pop_of(self.occupied)
    }

    /// Takes the most urgent one of some priorities, all of which are occupied.
    pub fn pop_of(&mut self, priorities: u64) -> Option<(u64, Parked)> {
        let priority = priorities.checked_ilog2()?;
        let queue = &mut self.queues[priority as usize];
        let thread = queue.pop_front()?;
        if queue.is_empty() {
            self.occupied &= !(1 << priority);
        }
        Some((priority.into(), thread))
    }

    /// Takes a thread out, if it waits here.
    pub fn remove(&mut self, thread: &Thread) -> Option<Parked> {
        let mut queues = self.queues.iter_mut().enumerate();
        let (priority, found) =
            queues.find_map(|(priority, queue)| Some((priority, queue.remove(thread)?)))?;
        if self.queues[priority].is_empty() {
            self.occupied &= !(1 << priority);
        }
        Some(found)
    }

    /// Bit p: something of priority p is here.
    pub fn occupied(&self) -> u64 {
        self.occupied
    }

    /// How many are as urgent as this or more.
    pub fn count_from(&self, priority: u64) -> usize {
        self.queues[priority as usize..].iter().map(Queue::len).sum()
    }
}
