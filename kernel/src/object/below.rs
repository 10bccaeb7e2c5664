//! The processes that a process has made. It pays for them, so they end with it: else nobody could ever end them, and what
//! they hold would never come back.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::cell::Cell;

use abi::syscall::End;

use super::Process;
use crate::cpu::breath;
use crate::memory::heap;
use crate::refusal::Refusal;
use crate::sync::{Lock, rank};
use crate::{mailbox, per_cpu};

/// The processes made by one, by their addresses, and its place in the row of those that end.
pub struct Below {
    made: Lock<BTreeMap<usize, Weak<Process>>, { rank::BELOW }>,
    next: Lock<Option<Arc<Process>>, { rank::BELOW }>,
}

per_cpu! {
    /// The first of those whose makers have ended on this CPU, each with the next one behind it.
    static ENDING: Cell<Option<Arc<Process>>> = Cell::new(None);
    /// Whether this CPU is at it.
    static HAS_BEGUN: Cell<bool> = Cell::new(false);
}

impl Below {
    /// None.
    pub const fn none() -> Below {
        Below {
            made: Lock::new(BTreeMap::new()),
            next: Lock::new(None),
        }
    }

    /// One more.
    pub fn add(&self, process: &Arc<Process>) -> Result<(), Refusal> {
        let mut made = self.made.lock();
        let address = Arc::as_ptr(process).addr();
        made.insert(address, Arc::downgrade(process));
        heap::paid().inspect_err(|_| drop(made.remove(&address)))
    }

    /// One of them has gone. The list keeps no room when it is empty.
    pub fn forget(&self, process: &Process) {
        let mut made = self.made.lock();
        made.remove(&core::ptr::from_ref(process).addr());
        if made.is_empty() {
            *made = BTreeMap::new();
        }
    }

    /// Ends them, and those that they made, one after the other: how many there are, and how deep, programs decide.
    pub fn end_all(&self) {
        self.line_up();
        if HAS_BEGUN.local().replace(true) {
            return;
        }
        while let Some(process) = ENDING.local().take() {
            ENDING.local().set(process.below.next.lock().take());
            process.end_alone(End::Killed);
            process.below.line_up();
            mailbox::drain();
        }
        HAS_BEGUN.local().set(false);
    }

    fn line_up(&self) {
        let made = core::mem::take(&mut *self.made.lock());
        let made = made.values().filter_map(Weak::upgrade);
        breath::for_each(made.filter(|it| !it.has_ended()), breath::OFTEN, |process| {
            let before = ENDING.local().take();
            // Nobody else ends what was made by this one, so it is in one row only.
            *process.below.next.lock() = before;
            ENDING.local().set(Some(process));
        });
    }
}
