//! A process' capabilities to endpoints as the assembly of messages reads them: without a lock, in one place.
//!
//! How a slot is changed while others read it stands at [`FastSlot`]. One may be emptied while the assembly of another CPU is
//! past its second look at it: that call comes before the change. The endpoint's word is still the endpoint's then, for
//! only a CPU itself changes its word, and one whose word is not closed has it kept for it (`receivers.rs`).

use alloc::sync::Arc;
use core::ptr::NonNull;

use abi::{Handle, PAGE_SIZE, Rights};
pub use lockfree::FastSlot;

use super::{Capability, Object};
use crate::cpu;
use crate::memory::frame::{self, PhysicalFrame};
use crate::object::Account;
use crate::refusal::Refusal;

/// Slots, a power of two: handles of slots above are for Rust code only.
pub const FAST_SLOTS: usize = 128;

/// The first slots of a process' table: a frame of the process' account.
pub struct FastTable {
    frame: PhysicalFrame,
    account: Arc<Account>,
}

const _: () = assert!(FAST_SLOTS.is_power_of_two() && size_of::<FastSlot>() == 32);
const _: () = assert!(size_of::<[FastSlot; FAST_SLOTS]>() == PAGE_SIZE as usize);

/// No handle of the slot `index`, because its index is another one.
const fn no_handle(index: usize) -> u64 {
    index as u64 ^ 1
}

impl FastTable {
    /// No capabilities.
    ///
    /// # Errors
    /// `AccountExhausted`, `NodeExhausted`.
    pub fn new(account: &Arc<Account>) -> Result<FastTable, Refusal> {
        account.charge(1)?;
        let frame = frame::allocate_near(cpu::this_node()).inspect_err(|_| account.refund(1))?;
        let account = account.clone();
        let table = FastTable { frame, account };
        table.clear();
        Ok(table)
    }

    /// The slots.
    pub fn slots(&self) -> &[FastSlot; FAST_SLOTS] {
        let slots = NonNull::new(self.frame.pointer()).expect("the physical map is not at address 0");
        // SAFETY: the frame is this table's alone, was cleared, and stays as long as `self`; a slot of zeros is one.
        unsafe { slots.cast().as_ref() }
    }

    /// Fills the slot of a new handle, if it is to an endpoint. The table is locked.
    pub fn set(&self, handle: Handle, capability: &Capability) {
        let (Some(slot), Object::Endpoint(endpoint)) = (self.slots().get(handle.index()), &capability.object)
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
        if let Some(slot) = self.slots().get(index) {
            slot.empty(no_handle(index));
        }
    }
}

/// Threads of the process keep the table: none of them can run any more.
impl Drop for FastTable {
    fn drop(&mut self) {
        frame::free(self.frame);
        self.account.refund(1);
    }
}
