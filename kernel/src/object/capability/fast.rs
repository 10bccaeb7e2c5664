//! A process' capabilities to endpoints as the assembly of messages reads them: without a lock, in one place.
//!
//! How a slot is changed while others read it stands at [`FastSlot`].

use abi::{Handle, Rights};
pub use lockfree::FastSlot;

use super::{Capability, Object};

/// Slots, a power of two: handles of slots above are for Rust code only.
pub const FAST_SLOTS: usize = 128;

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
        FastTable(core::array::from_fn(|index| FastSlot::new(no_handle(index))))
    }

    /// Fills the slot of a new handle, if it is to an endpoint. The table is locked.
    pub fn set(&self, handle: Handle, capability: &Capability) {
        let (Some(slot), Object::Endpoint(endpoint)) = (self.0.get(handle.index()), &capability.object)
        else {
            return;
        };
        let or_none = |right| match capability.rights.contains(right) {
            true => handle.0,
            false => no_handle(handle.index()),
        };
        slot.fill(
            or_none(Rights::SEND),
            or_none(Rights::RECEIVE),
            endpoint.receivers_word(),
            capability.badge,
        );
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
            slot.empty(no_handle(index));
        }
    }
}
