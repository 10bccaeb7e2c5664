//! Heap memory that an account pays for: pages that are its own, each cut into blocks of one size.
//!
//! A page begins with a [`Header`]; blocks lie behind it, and a free one holds the address of the next. A page that has
//! free blocks is in the account's list of that size, a page that is empty goes back to the pool and its price to the
//! account. What is larger than the largest block has whole pages, with the header in the first one. Since no account's
//! block lies in another's page, everything that an account holds is paid, to the page, whatever it frees.

use alloc::sync::Arc;
use core::alloc::Layout;
use core::cell::Cell;
use core::mem::size_of;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicU64, Ordering};

use percpu_core::PAGE_SIZE;

use super::own;
use crate::boot::firmware;
use crate::cpu;
use crate::memory::frame::{self, PhysicalFrame};
use crate::memory::physical_pointer;
use crate::object::Account;
use crate::per_cpu;
use crate::sync::{Lock, rank};

/// Sizes of blocks: multiples of the alignment, as many in a page as fit.
const SIZES: [usize; 13] = [
    64, 128, 192, 256, 320, 448, 576, 768, 960, 1344, 1984, 2944, LARGEST,
];
/// The largest block: a page without the header.
const LARGEST: usize = PAGE_SIZE as usize - HEADER;
/// For every multiple of the alignment: the index of the smallest blocks that hold so much.
static CLASSES: [u8; LARGEST / ALIGN + 1] = {
    let mut classes = [0; LARGEST / ALIGN + 1];
    let (mut class, mut at) = (0, 0);
    while at < classes.len() {
        if SIZES[class] < at * ALIGN {
            class += 1;
        }
        classes[at] = class as u8;
        at += 1;
    }
    classes
};
/// No block is aligned to more.
const ALIGN: usize = 64;
const HEADER: usize = size_of::<Header>();

/// The beginning of a page.
#[repr(C, align(64))]
struct Header {
    /// Who pays. The page holds a reference.
    owner: *const Account,
    /// The next page of the list that this one is in.
    next: *mut Header,
    previous: *mut Header,
    /// The first free block.
    free: *mut u8,
    /// Index of the blocks' size.
    class: usize,
    /// Blocks in use.
    used: usize,
    /// Pages of something large; 1 else.
    frames: usize,
}

/// What one account has.
pub struct Lists(Lock<Holdings, { rank::PAGES }>);

struct Holdings {
    /// For each size: the pages that have a free block.
    heads: [*mut Header; SIZES.len()],
    /// Bytes in use, as they were asked for.
    bytes: u64,
}

// SAFETY: the pages in the lists are the account's alone, and are touched under the lock only.
unsafe impl Send for Lists {}
// SAFETY: as above.
unsafe impl Sync for Lists {}

static FRAMES: AtomicU64 = AtomicU64::new(0);

per_cpu! {
    /// Empty pages that are not given back yet.
    static EMPTY: Cell<*mut Header> = Cell::new(null_mut());
    /// Whether this CPU is at it.
    static HAS_BEGUN: Cell<bool> = Cell::new(false);
    /// Bytes that were taken on this CPU, without those that were given back on it: all CPUs' together are in use.
    static BYTES: AtomicU64 = AtomicU64::new(0);
}

/// Frames that are heap of accounts.
pub fn frames_in_use() -> u64 {
    FRAMES.load(Ordering::Relaxed)
}

/// Bytes in use in all of them, as they were asked for.
pub fn bytes_in_use() -> u64 {
    let cpus = firmware::topology().cpus();
    cpus.fold(0, |sum, cpu| {
        sum.wrapping_add(BYTES.on(cpu).load(Ordering::Relaxed))
    })
}

/// Whether pages can hold this; what they cannot is the kernel's own.
pub fn can_serve(layout: Layout) -> bool {
    layout.align() <= ALIGN
}

fn class_of(size: usize) -> Option<usize> {
    let class = CLASSES.get(size.div_ceil(ALIGN))?;
    Some(usize::from(*class))
}

fn pages_of(size: usize) -> usize {
    size.saturating_add(HEADER).div_ceil(PAGE_SIZE as usize)
}

/// A block that `payer` pays for. A single page may overdraw the account; null when several do, or without memory.
pub fn allocate(payer: &Account, layout: Layout) -> *mut u8 {
    match class_of(layout.size()) {
        Some(class) => payer.heap().block(payer, class, layout),
        None => {
            let frames = pages_of(layout.size());
            if payer.charge_heap(frames as u64, false).is_err() {
                return null_mut();
            }
            let Some(page) = take_page(payer, frames, 0) else {
                return null_mut();
            };
            payer.heap().0.lock().count(layout.size() as u64);
            behind_header(page)
        }
    }
}

impl Lists {
    /// No pages.
    pub const fn new() -> Lists {
        Lists(Lock::new(Holdings {
            heads: [null_mut(); SIZES.len()],
            bytes: 0,
        }))
    }

    /// Bytes in use.
    pub fn bytes_in_use(&self) -> u64 {
        self.0.lock().bytes
    }

    fn block(&self, payer: &Account, class: usize, layout: Layout) -> *mut u8 {
        let mut holdings = self.0.lock();
        if holdings.heads[class].is_null() {
            if payer.charge_heap(1, true).is_err() {
                // Its process has just ended, and the call that this is for will be refused.
                drop(holdings);
                return own::allocate(layout);
            }
            let Some(page) = take_page(payer, 1, class) else {
                return null_mut();
            };
            cut(page, class);
            holdings.heads[class] = page;
        }
        holdings.count(layout.size() as u64);
        // SAFETY: pages in the list are headers that this account's lock guards, and have a free block, which
        // holds the address of the next one.
        unsafe {
            let page = &mut *holdings.heads[class];
            let block = page.free;
            page.free = block.cast::<*mut u8>().read();
            page.used += 1;
            if page.free.is_null() {
                remove(&mut holdings.heads[class], page);
            }
            block
        }
    }

    /// Takes a block back; the page, if that was its last one.
    fn give_back(&self, page: *mut Header, block: *mut u8, bytes: u64) -> Option<*mut Header> {
        let mut holdings = self.0.lock();
        holdings.count(bytes.wrapping_neg());
        let heads = &mut holdings.heads;
        // SAFETY: the page is this account's, so its header is guarded by the lock; the block is free now, large
        // enough for an address, and aligned.
        unsafe {
            let page = &mut *page;
            let was_full = page.free.is_null();
            block.cast::<*mut u8>().write(page.free);
            page.free = block;
            page.used -= 1;
            match (page.used, was_full) {
                (0, false) => remove(&mut heads[page.class], page),
                (0, true) => {}
                (_, true) => insert(&mut heads[page.class], page),
                (_, false) => return None,
            }
            (page.used == 0).then_some(page as *mut Header)
        }
    }
}

impl Holdings {
    /// More bytes in use; fewer, if it is the negative of a number.
    fn count(&mut self, bytes: u64) {
        self.bytes = self.bytes.wrapping_add(bytes);
        let here = BYTES.local();
        here.store(
            here.load(Ordering::Relaxed).wrapping_add(bytes),
            Ordering::Relaxed,
        );
    }
}

/// Frames with a header, already charged; gives the price back without.
fn take_page(payer: &Account, frames: usize, class: usize) -> Option<*mut Header> {
    let taken = match frames {
        1 => frame::take_near(cpu::this_node()),
        _ => frame::take_contiguous(cpu::this_node(), frames, PAGE_SIZE, 0),
    };
    let Ok(first) = taken else {
        payer.refund_heap(frames as u64);
        return None;
    };
    FRAMES.fetch_add(frames as u64, Ordering::Relaxed);
    let page = first.pointer().cast::<Header>();
    let owner = super::PAYER.local().get();
    // SAFETY: whoever is the payer is borrowed from an `Arc`; the frame was just taken, so nobody else uses it.
    unsafe {
        Arc::increment_strong_count(owner);
        page.write(Header {
            owner,
            next: null_mut(),
            previous: null_mut(),
            free: null_mut(),
            class,
            used: 0,
            frames,
        });
    }
    Some(page)
}

fn behind_header(page: *mut Header) -> *mut u8 {
    page.cast::<u8>().wrapping_add(HEADER)
}

/// Chains all blocks of a new page.
fn cut(page: *mut Header, class: usize) {
    let size = SIZES[class];
    for index in (0..LARGEST / size).rev() {
        let block = behind_header(page).wrapping_add(index * size);
        // SAFETY: the block lies in the page, which is new; it is large enough for an address, and aligned.
        unsafe {
            block.cast::<*mut u8>().write((*page).free);
            (*page).free = block;
        }
    }
}

/// # Safety
/// 1. The page and those in the list are guarded by a lock that the caller holds. 2. It is in no list.
unsafe fn insert(head: &mut *mut Header, page: &mut Header) {
    page.previous = null_mut();
    page.next = *head;
    // SAFETY: 1.
    if let Some(next) = unsafe { page.next.as_mut() } {
        next.previous = page;
    }
    *head = page;
}

/// # Safety
/// 1. As for [`insert`]. 2. It is in this list.
unsafe fn remove(head: &mut *mut Header, page: &mut Header) {
    // SAFETY: 1.
    match unsafe { page.previous.as_mut() } {
        Some(previous) => previous.next = page.next,
        None => *head = page.next,
    }
    // SAFETY: 1.
    if let Some(next) = unsafe { page.next.as_mut() } {
        next.previous = page.previous;
    }
}

/// Takes a block back.
///
/// # Safety
/// 1. It came from [`allocate`] with this layout, and nobody uses it any more.
pub unsafe fn free(block: *mut u8, layout: Layout) {
    let page = block
        .wrapping_sub(block.addr() % PAGE_SIZE as usize)
        .cast::<Header>();
    // SAFETY: a page that has blocks in use keeps its owner, which never changes.
    let heap = unsafe { &*(*page).owner }.heap();
    let bytes = layout.size() as u64;
    let empty = match class_of(layout.size()) {
        None => {
            heap.0.lock().count(bytes.wrapping_neg());
            Some(page)
        }
        Some(_) => heap.give_back(page, block, bytes),
    };
    if let Some(page) = empty {
        give_back(page);
    }
}

/// Gives an empty page back: now, or soon after, if this comes from giving back another one. An account that goes
/// with its last page lies in a page of its parent's, and so on as deep as programs like, which the kernel's stack is not.
fn give_back(page: *mut Header) {
    // SAFETY: the page is in no list, and empty: it is this CPU's.
    unsafe { (*page).next = EMPTY.local().replace(page) };
    if HAS_BEGUN.local().replace(true) {
        return;
    }
    while let Some(page) = NonNull::new(EMPTY.local().get()) {
        // SAFETY: as above; the header is copied before its frame goes.
        let Header {
            owner, next, frames, ..
        } = unsafe { page.read() };
        EMPTY.local().set(next);
        let physical = page.as_ptr() as u64 - physical_pointer(0) as u64;
        let first = PhysicalFrame::from_address(physical);
        frame::free_range(first.address(), frames as u64 * PAGE_SIZE);
        FRAMES.fetch_sub(frames as u64, Ordering::Relaxed);
        // SAFETY: the page's own reference.
        let owner = unsafe { Arc::from_raw(owner) };
        owner.refund_heap(frames as u64);
    }
    HAS_BEGUN.local().set(false);
}

const _: () = assert!(HEADER == ALIGN && LARGEST.is_multiple_of(ALIGN));
