//! Capabilities of processes that are gone, let go one table after the other.
//!
//! A process may hold the last handle of another, which holds the last of a third, and so on as far as memory goes. Were
//! each dropped inside the drop of the one before, user space would decide how deep the kernel's stack gets. So a
//! process only leaves its table here, and whoever began empties what has come, in a loop. Tables wait in a row that
//! is made of their first slots, which hold no capability: this takes no memory.

use alloc::vec::Vec;
use core::cell::Cell;

use super::capability::{Slot, chain, unchain};
use crate::cpu::breath;
use crate::per_cpu;

per_cpu! {
    /// Tables to let go on this CPU.
    static WAITING: Cell<Vec<Slot>> = Cell::new(Vec::new());
    /// Whether this CPU is at it.
    static HAS_BEGUN: Cell<bool> = Cell::new(false);
}

/// Lets go of a table's capabilities: now, or soon after, if this comes from letting go of others.
pub fn bury(mut slots: Vec<Slot>) {
    if slots.is_empty() {
        return;
    }
    chain(&mut slots, WAITING.local().take());
    WAITING.local().set(slots);
    if HAS_BEGUN.local().replace(true) {
        return;
    }
    loop {
        let mut slots = WAITING.local().take();
        if slots.is_empty() {
            break;
        }
        WAITING.local().set(unchain(&mut slots));
        breath::for_each(slots, 1, drop);
    }
    HAS_BEGUN.local().set(false);
}
