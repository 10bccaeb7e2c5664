//! The background pass: what is done when no client waits, so that clients wait less.
//!
//! Populated pages are kept ready between two marks, and dirty ones are cleared (W1 to W4 of Linux's allocator, which
//! keeps 2 to 4). Each chore is one kernel call, made without the service, so that requests are served meanwhile. What a chore
//! works on belongs to nobody else as long as it takes, and goes with the server if that ends.

use abi::Handle;
use abi::percpu::trace::EventKind;

use super::Service;
use super::trace::chunk_event;
use crate::ledger::Words;
use crate::mapper::{KernelRefusal, Mapper};
use crate::shelf::{GROWTH, Shelf};
use crate::stock::Run;

/// With fewer pages of each unit ready than these, more are made.
pub const LOW: usize = 4;
/// With more pages of each unit ready than these, memory goes back.
pub const HIGH: usize = 32;
/// So many dirty pages of each unit are worth waking up for; once awake, all are cleared.
pub const MANY_DIRTY: usize = 8;
/// Pages of each unit that are cleared at a time: nothing else runs on that CPU meanwhile.
const AT_ONCE: usize = 1;

/// One thing to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chore {
    /// Make populated memory with so many pages for each CPU.
    Make(usize),
    /// Clear these pages.
    Clean(Run),
    /// Give this memory back.
    Drop(Handle),
}

/// What became of a [`Chore`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Done {
    /// Memory that was made, or why not.
    Made(Result<Handle, KernelRefusal>, usize),
    /// Pages, and whether they are clear now.
    Cleaned(Run, bool),
    /// Memory is gone.
    Dropped,
}

impl Chore {
    /// Does it: at most one kernel call.
    pub fn act(self, mapper: &mut impl Mapper) -> Done {
        match self {
            Chore::Make(pages) => Done::Made(mapper.create(pages as u64, false), pages),
            Chore::Clean(run) => Done::Cleaned(run, mapper.clean(run).is_ok()),
            Chore::Drop(memory) => {
                mapper.drop(memory);
                Done::Dropped
            }
        }
    }
}

impl<M: Mapper, W: Words> Service<M, W> {
    /// Whether a chore is under way, which somebody may wait for.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Whether it is worth while to wake up whoever does the chores.
    #[must_use]
    pub fn is_balance_due(&self) -> bool {
        if self.is_awaited {
            return false;
        }
        let pools = &self.pools;
        let dirty = pools.reserved.dirty() + pools.dynamic.dirty();
        let is_low = pools.dynamic.free() < LOW && !pools.is_at_rest;
        let is_much = |shelf: &Shelf, keep| shelf.free() > HIGH && shelf.has_unused(shelf.free() - keep);
        is_low || dirty >= MANY_DIRTY || is_much(&pools.dynamic, LOW) || is_much(&pools.on_touch, 0)
    }

    /// The next thing to be done, in the order of what clients feel most; nothing while a client waits that the last one is settled.
    pub fn chore(&mut self) -> Option<Chore> {
        let chore = if self.is_awaited { None } else { self.next_chore() };
        self.is_busy = chore.is_some();
        chore
    }

    fn next_chore(&mut self) -> Option<Chore> {
        let pools = &mut self.pools;
        if pools.dynamic.free() < LOW && !pools.is_at_rest {
            return Some(Chore::Make(GROWTH.min(pools.dynamic.largest)));
        }
        // Promises of frames are kept ready no longer than nobody wakes up; and what is dropped must not be made again
        // at once.
        let many = pools
            .dynamic
            .free()
            .checked_sub(LOW)
            .filter(|spare| spare + LOW > HIGH);
        let on_touch = pools.on_touch.take_unused(usize::MAX);
        let unused = on_touch.or_else(|| pools.dynamic.take_unused(many?));
        if let Some((memory, pages)) = unused {
            let kind = EventKind::DestroyChunk;
            let event = chunk_event(kind, memory, pages as u64, on_touch.is_some());
            self.ledger.record(&event);
            return Some(Chore::Drop(memory));
        }
        let dirty = pools.dynamic.take_dirty(AT_ONCE);
        let dirty = dirty.or_else(|| pools.reserved.take_dirty(AT_ONCE));
        dirty.map(Chore::Clean)
    }

    /// Records what was done. False when it could not be, and there is no sense in going on now.
    pub fn settle(&mut self, done: Done) -> bool {
        self.is_busy = false;
        match done {
            Done::Dropped => true,
            Done::Cleaned(run, is_clean) => {
                self.pools.give_cleared_back(run, is_clean);
                is_clean
            }
            Done::Made(Err(_), _) => {
                // Until pages come back: then there may be some.
                self.pools.is_at_rest = true;
                self.pools.is_refused = true;
                false
            }
            Done::Made(Ok(memory), pages) => {
                let added = self.pools.dynamic.add(memory, pages, true);
                if added.is_err() {
                    self.mapper.drop(memory);
                    self.pools.is_at_rest = true;
                    return false;
                }
                let event = chunk_event(EventKind::CreateChunk, memory, pages as u64, false);
                self.ledger.record(&event);
                true
            }
        }
    }
}
