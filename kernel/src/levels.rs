//! Queues by priority: what came first goes first among equals, and nothing before what is more urgent.

use alloc::collections::VecDeque;

use abi::syscall::PRIORITIES;

/// How many levels there are.
const LEVELS: usize = PRIORITIES as usize;

/// A queue for each priority, and which of them are not empty.
pub struct Levels<T> {
    queues: [VecDeque<T>; LEVELS],
    /// Bit p: the queue of priority p has something.
    occupied: u64,
}

impl<T> Levels<T> {
    /// Empty.
    pub const fn new() -> Levels<T> {
        Levels {
            queues: [const { VecDeque::new() }; LEVELS],
            occupied: 0,
        }
    }

    /// Puts something behind or in front of all others of its priority, which is below [`PRIORITIES`].
    pub fn push(&mut self, priority: u64, what: T, is_first: bool) {
        let queue = &mut self.queues[priority as usize];
        match is_first {
            true => queue.push_front(what),
            false => queue.push_back(what),
        }
        self.occupied |= 1 << priority;
    }

    /// Takes the most urgent one, and its priority.
    pub fn pop(&mut self) -> Option<(u64, T)> {
        let priority = self.occupied.checked_ilog2()?;
        let queue = &mut self.queues[priority as usize];
        let what = queue.pop_front()?;
        if queue.is_empty() {
            self.occupied &= !(1 << priority);
        }
        Some((priority.into(), what))
    }

    /// Takes the first that is looked for, wherever it is: as long as there are entries.
    pub fn remove(&mut self, is_it: impl Fn(&T) -> bool) -> Option<T> {
        for (priority, queue) in self.queues.iter_mut().enumerate() {
            let Some(index) = queue.iter().position(&is_it) else {
                continue;
            };
            let found = queue.remove(index);
            if queue.is_empty() {
                self.occupied &= !(1 << priority);
            }
            return found;
        }
        None
    }

    /// Bit p: something of priority p is here.
    pub fn occupied(&self) -> u64 {
        self.occupied
    }

    /// How many are as urgent as this or more.
    pub fn count_from(&self, priority: u64) -> usize {
        self.queues[priority as usize..].iter().map(VecDeque::len).sum()
    }
}
