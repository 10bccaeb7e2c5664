//! Capabilities of processes that are gone, let go one table after the other.
//!
//! A process may hold the last handle of another, which holds the last of a third, and so on as far as memory goes. Were
//! each dropped inside the drop of the one before, user space would decide how deep the kernel's stack gets. So a
//! process only leaves its table here, and whoever began empties what has come, in a loop.

use alloc::vec::Vec;
use core::cell::Cell;

use super::capability::Slot;
use crate::per_cpu;
use crate::sync::{Lock, rank};

per_cpu! {
    /// Tables to let go on this CPU.
    static WAITING: Lock<Vec<Vec<Slot>>, { rank::BURIAL }> = Lock::new(Vec::new());
    /// Whether this CPU is at it.
    static HAS_BEGUN: Cell<bool> = Cell::new(false);
}

/// Lets go of a table's capabilities: now, or soon after, if this comes from letting go of others.
pub fn bury(slots: Vec<Slot>) {
    if slots.is_empty() {
        return;
    }
    WAITING.local().lock().push(slots);
    if HAS_BEGUN.local().replace(true) {
        return;
    }
    while let Some(slots) = next() {
        drop(slots);
    }
    HAS_BEGUN.local().set(false);
}

/// Kernel code is not preempted, so nobody else of this CPU is between this and the drop.
fn next() -> Option<Vec<Slot>> {
    WAITING.local().lock().pop()
}
