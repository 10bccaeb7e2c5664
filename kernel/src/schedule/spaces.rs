//! The address spaces that a CPU keeps: those in whose CPU sets it is.
//!
//! A CPU puts itself into the set before it loads the page table, and stays in it when it loads another: the
//! next switch back needs no locked instruction. It takes itself out when it idles, when the process has
//! ended, and when it keeps too many. While it is in the set it holds the address space, so nothing that its
//! page table reaches can be freed, and the assembly of messages may load it.

use alloc::sync::Arc;
use core::cell::Cell;

use arrayvec::ArrayVec;

use crate::cpu;
use crate::object::{Space, space};
use crate::per_cpu;

/// Most address spaces kept by a CPU.
const MOST: usize = 16;

/// One more than are kept, for a moment.
type Kept = ArrayVec<Arc<Space>, { MOST + 1 }>;

per_cpu! {
    static KEPT: Cell<Kept> = Cell::new(Kept::new_const());
}

/// Loads a page table, unless it is loaded.
pub fn load(space: &Arc<Space>) {
    if !space.cpus().contains(cpu::this_cpu()) {
        keep(space);
    }
    if cpu::page_table() != space.root() {
        cpu::switch_page_table(space.root());
        release_ended();
    }
}

fn keep(space: &Arc<Space>) {
    space.cpus().insert(cpu::this_cpu());
    let mut kept = KEPT.local().take();
    kept.push(space.clone());
    let oldest = (kept.len() > MOST).then(|| {
        let is_other = |kept: &Arc<Space>| kept.root() != cpu::page_table();
        kept.iter().position(is_other).map(|index| kept.remove(index))
    });
    KEPT.local().set(kept);
    oldest.flatten().into_iter().for_each(let_go);
}

/// Lets go of address spaces whose processes have ended, but for the one that is loaded.
pub fn release_ended() {
    if !space::has_any_ended() {
        return;
    }
    let mut kept = KEPT.local().take();
    let loaded = cpu::page_table();
    let is_over = |space: &Arc<Space>| space.has_ended() && space.root() != loaded;
    let mut over = Kept::new();
    while let Some(at) = kept.iter().position(is_over) {
        over.push(kept.remove(at));
    }
    KEPT.local().set(kept);
    over.into_iter().for_each(let_go);
}

/// Lets go of all; the kernel's own page table is loaded.
pub fn release_all() {
    KEPT.local().take().into_iter().for_each(let_go);
}

/// Its last holder frees it.
fn let_go(space: Arc<Space>) {
    space.cpus().remove(cpu::this_cpu());
}
