//! The kernel's heap: where an allocation comes from, and who pays for it.
//!
//! While the kernel does what a process asks for, somebody is named who pays ([`charge_to`]): allocations come from pages
//! of that account ([`pages`]), which are charged to it like all its frames, and go back when they are empty. So a
//! program that creates objects without end meets its own limit, and no kind of object needs a price. An account may
//! be overdrawn inside of one call: whoever keeps what was allocated asks [`paid`] first, and drops it if not. What may be
//! larger than a page is only ever asked for by those who can be refused.
//!
//! Without a payer, allocations are the kernel's own: what is made at boot, and a little that is bounded. They come from
//! [`own`].

mod own;
mod pages;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::marker::PhantomData;
use core::ptr::null;
use core::sync::atomic::{AtomicBool, Ordering};

use abi::Status;

use crate::cpu;
use crate::object::Account;
use crate::per_cpu;
use crate::refusal::Refusal;

pub use own::{bytes_in_use as own_bytes_in_use, pieces};
pub use pages::{Lists, bytes_in_use, frames_in_use};

#[global_allocator]
static HEAP: Heap = Heap;

/// Set as soon as there is per-CPU memory and somebody who could pay.
static IS_CHARGED: AtomicBool = AtomicBool::new(false);

per_cpu! {
    /// Who pays for what is allocated on this CPU now; null: the kernel.
    static PAYER: Cell<*const Account> = Cell::new(null());
}

/// From here on programs run. Every CPU that runs has its per-CPU memory.
pub fn begin_charging() {
    IS_CHARGED.store(true, Ordering::SeqCst);
}

/// As long as this lives, somebody else pays.
pub struct Charging<'a> {
    before: *const Account,
    account: PhantomData<&'a Arc<Account>>,
}

/// Lets an account pay for what is allocated on this CPU until the value is dropped, which has to be before another
/// thread is entered.
#[must_use]
pub fn charge_to(account: &Arc<Account>) -> Charging<'_> {
    charge(Arc::as_ptr(account))
}

/// The same for the kernel: what outlives the call, and is nobody's.
#[must_use]
pub fn charge_nobody() -> Charging<'static> {
    charge(null())
}

fn charge<'a>(to: *const Account) -> Charging<'a> {
    let before = match IS_CHARGED.load(Ordering::Relaxed) {
        true => PAYER.local().replace(to),
        false => null(),
    };
    Charging {
        before,
        account: PhantomData,
    }
}

impl Drop for Charging<'_> {
    fn drop(&mut self) {
        if IS_CHARGED.load(Ordering::Relaxed) {
            PAYER.local().set(self.before);
        }
    }
}

/// Whether what was allocated up to here can be kept: asked by everybody who keeps something for a program.
pub fn paid() -> Result<(), Refusal> {
    payer().map_or(Ok(()), Account::check_covered)
}

/// Makes room for more in a list that a program lets grow, if there is room, and somebody to pay for it.
pub fn make_room<T>(list: &mut Vec<T>, more: usize) -> Result<(), Refusal> {
    if list.capacity() - list.len() >= more {
        return Ok(());
    }
    list.try_reserve(more).map_err(|_| NO_ROOM)?;
    paid().inspect_err(|_| list.shrink_to_fit())
}

/// Elements of a list between two breaths.
const AT_ONCE: usize = 1024;
/// Why something large was not allocated: the payer has too little left, or no node has it in one piece.
const NO_ROOM: Status = Status::HeapExhausted;

/// A list of so many copies of a value.
pub fn list_of<T: Clone>(value: T, count: usize) -> Result<Vec<T>, Refusal> {
    let mut list = Vec::new();
    list.try_reserve_exact(count).map_err(|_| NO_ROOM)?;
    paid()?;
    while list.len() < count {
        list.resize(count.min(list.len() + AT_ONCE), value.clone());
        cpu::breathe();
    }
    Ok(list)
}

fn payer() -> Option<&'static Account> {
    if !IS_CHARGED.load(Ordering::Relaxed) {
        return None;
    }
    let payer = PAYER.local().get();
    // SAFETY: `charge_to` borrows the account for as long as it is the payer of this CPU, and nobody else's code
    // runs here meanwhile.
    unsafe { payer.as_ref() }
}

/// The kernel's allocator.
struct Heap;

// SAFETY: memory comes from either of two allocators, and goes back to the one whose addresses it has.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match payer().filter(|_| pages::can_serve(layout)) {
            Some(payer) => pages::allocate(payer, layout),
            None => own::allocate(layout),
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match own::has(block) {
            // SAFETY: the caller's promise, and it came from there.
            true => unsafe { own::free(block, layout) },
            // SAFETY: as above.
            false => unsafe { pages::free(block, layout) },
        }
    }
}
