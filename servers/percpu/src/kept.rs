//! Memory of clients' batches that stays mapped from one batch to the next. To map and unmap it for each, in a process
//! that has threads on all CPUs, is to have all of them forget translations each time.

use abi::Handle;
use userlib::memory::{Mapping, Memory};
use userlib::sync::Mutex;

use crate::with_service;

/// Most at once; then somebody else's goes.
const MOST: usize = 16;

/// Memory of a client's batch.
pub struct Kept {
    badge: u64,
    /// The memory object's number.
    number: u64,
    /// It is mapped.
    pub mapping: Mapping,
}

struct Table {
    kept: [Option<Kept>; MOST],
    /// The next to go when there is no room.
    next: usize,
}

static TABLE: Mutex<Table> = Mutex::new(Table {
    kept: [const { None }; MOST],
    next: 0,
});

impl Kept {
    /// Memory that was mapped for a client.
    pub fn new(badge: u64, memory: Handle, mapping: Mapping) -> Option<Kept> {
        let number = Memory::number(memory).ok()?;
        Some(Kept {
            badge,
            number,
            mapping,
        })
    }

    /// Keeps it, in place of what was kept of the same client.
    pub fn keep(self) {
        // Whatever goes is unmapped when the table is not locked any more.
        let _before = take_first(|kept| kept.badge == self.badge);
        let mut table = TABLE.lock();
        let free = table.kept.iter().position(Option::is_none);
        let place = free.unwrap_or(table.next);
        table.next = (place + 1) % MOST;
        let other = table.kept[place].replace(self);
        drop(table);
        drop(other);
    }
}

/// What is kept of a client, if it is the memory that it has sent now. What is not is let go.
pub fn take(badge: u64, memory: Handle) -> Option<Kept> {
    let kept = take_first(|kept| kept.badge == badge)?;
    (Memory::number(memory) == Ok(kept.number)).then_some(kept)
}

/// Lets go of memory of clients that are no longer known.
pub fn let_go_of_ended() {
    while take_first(|kept| !with_service(|service| service.knows(kept.badge))).is_some() {}
}

fn take_first(is_meant: impl Fn(&Kept) -> bool) -> Option<Kept> {
    let mut table = TABLE.lock();
    let mut places = table.kept.iter_mut();
    places
        .find(|place| place.as_ref().is_some_and(&is_meant))
        .and_then(Option::take)
}
