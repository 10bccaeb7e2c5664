//! What a CPU does when it was told to go: everything that is its own goes elsewhere, then it parks.
//!
//! From the order on nobody sends anything new here (`smp::is_online`). What comes all the same, from those who looked a
//! moment before, is taken until the queue of threads and that of requests are closed; whoever finds them closed looks
//! for another CPU. The mailbox needs no closing: see `mailbox::shoot_down`.

use core::cell::Cell;

use super::{place, queue, spaces};
use crate::boot::smp;
use crate::cpu;
use crate::ipc::requests;
use crate::memory::kernel_map;
use crate::object::{endpoints, interrupt};
use crate::{mailbox, per_cpu};

per_cpu! {
    static IS_ORDERED: Cell<bool> = Cell::new(false);
}

/// This CPU has to go, as soon as it holds no thread.
pub fn order() {
    IS_ORDERED.local().set(true);
}

/// Whether this CPU has to go.
pub fn is_ordered() -> bool {
    IS_ORDERED.local().get()
}

/// Goes. No thread is this CPU's current one.
pub fn go() -> ! {
    IS_ORDERED.local().set(false);
    let mut ready = queue::close();
    while let Some(thread) = ready.pop_front() {
        place::make_ready(thread);
    }
    // The other page table, and with it the TLB, is gone before anybody could miss an acknowledgement.
    cpu::switch_page_table(kernel_map::kernel_root());
    spaces::release_all();
    interrupt::move_away();
    // What was on its way here still arrives.
    cpu::let_interrupts_in();
    loop {
        mailbox::drain();
        requests::serve();
        endpoints::move_receivers_away();
        if requests::close() {
            break;
        }
    }
    mailbox::drain();
    smp::park()
}
