//! A process' capabilities to endpoints as the assembly of messages reads them: without a lock, in one place.
//!
//! A slot names the one handle with which it may be called, and the one with which it may be received at. So
//! one comparison checks bounds, generation, kind and right. Whoever changes a slot holds the lock of the
//! table, takes the handles away first and puts them in last. A reader on another CPU reads the handle, the rest
//! of the slot, and the handle again. The first look vouches that the rest is there already, also for a handle that
//! was guessed before it was given out; the second that it is there still, since handles are never used again.
//! (Loads and stores each keep their order on x86: SDM volume 3, section 8.2.2.)

use core::sync::atomic::{AtomicU64, Ordering};

use abi::{Handle, Rights};

use super::{Capability, Object};

/// Slots, a power of two: handles of slots above are for Rust code only.
pub const FAST_SLOTS: usize = 128;

/// One slot, 32 bytes.
#[repr(C)]
pub struct FastSlot {
    /// The handle with the right to send, or no handle of this slot.
    pub send: AtomicU64,
    /// The handle with the right to receive, or no handle of this slot.
    pub receive: AtomicU64,
    /// Where the endpoint's receivers wait: the address of a per-CPU word.
    pub receivers: AtomicU64,
    /// What a receiver learns.
    pub badge: AtomicU64,
}

/// The first slots of a process' table.
#[repr(C, align(64))]
pub struct FastTable([FastSlot; FAST_SLOTS]);

const _: () = assert!(FAST_SLOTS.is_power_of_two() && size_of::<FastSlot>() == 32);

/// No handle of the slot `index`, because its index is another one.
const fn no_handle(index: usize) -> u64 {
    index as u64 ^ 1
}

impl FastTable {
    /// No capabilities.
    pub fn new() -> FastTable {
        FastTable(core::array::from_fn(|index| FastSlot {
            send: AtomicU64::new(no_handle(index)),
            receive: AtomicU64::new(no_handle(index)),
            receivers: AtomicU64::new(0),
            badge: AtomicU64::new(0),
        }))
    }

    /// Fills the slot of a new handle, if it is to an endpoint. The table is locked.
    pub fn set(&self, handle: Handle, capability: &Capability) {
        let (Some(slot), Object::Endpoint(endpoint)) = (self.0.get(handle.index()), &capability.object)
        else {
            return;
        };
        slot.receivers.store(endpoint.receivers_word(), Ordering::Release);
        slot.badge.store(capability.badge, Ordering::Release);
        let or_none = |right| match capability.rights.contains(right) {
            true => handle.0,
            false => no_handle(handle.index()),
        };
        slot.send.store(or_none(Rights::SEND), Ordering::Release);
        slot.receive.store(or_none(Rights::RECEIVE), Ordering::Release);
    }

    /// Empties the slot of a handle. The table is locked.
    pub fn unset(&self, handle: Handle) {
        self.empty(handle.index());
    }

    /// Empties all slots. The table is locked.
    pub fn clear(&self) {
        (0..FAST_SLOTS).for_each(|index| self.empty(index));
    }

    fn empty(&self, index: usize) {
        if let Some(slot) = self.0.get(index) {
            slot.send.store(no_handle(index), Ordering::SeqCst);
            slot.receive.store(no_handle(index), Ordering::SeqCst);
        }
    }
}
