//! The address space of a process: its page table, what is mapped there, and its window.
//!
//! Besides the process, every CPU that has the page table loaded holds it. So when the last holder lets go,
//! no CPU can reach a page of it, and everything mapped goes back.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use abi::syscall::access;
use abi::window::WINDOW_BASE;
use abi::{MAX_CPUS, PAGE_SIZE, Status};

use super::notification::Notices;
use super::ranges::{Range, Ranges};
use super::thread::{self, Threads};
use super::{Account, Memory, window};
use crate::boot::options;
use crate::cpu::{self, breath};
use crate::ipc;
use crate::mailbox::{self, CpuSet};
use crate::memory::address_space::{Access, AddressSpace, USER_END};
use crate::memory::frame::PhysicalFrame;
use crate::memory::heap;
use crate::memory::user;
use crate::refusal::{Refusal, require};
use crate::sync::{Guard, Lock, rank};

/// Address spaces that have ended and are still kept by some CPU or thread: mostly none.
static ENDED: AtomicUsize = AtomicUsize::new(0);

/// Whether any address space could be let go of because its process has ended.
pub fn has_any_ended() -> bool {
    ENDED.load(Ordering::SeqCst) != 0
}

/// The address space of a process.
pub struct Space {
    root: u64,
    cpus: Arc<CpuSet>,
    has_ended: AtomicBool,
    account: Arc<Account>,
    inner: Lock<Inner, { rank::SPACE }>,
    /// Threads of the process that has ended.
    threads: Lock<Option<Arc<Threads>>, { rank::SPACE }>,
    /// The last field: those who wait are told when all of the above is back where it came from.
    notices: Notices,
}

/// What the lock guards.
pub struct Inner {
    /// The page table.
    pub tables: AddressSpace,
    /// Frames of page tables that are paid.
    charged: u64,
    /// Memory outside the window, by page number.
    mapped: Ranges,
    /// Memory in the window, by page of a unit.
    pub window: Ranges,
    /// The window's note.
    pub note: u64,
}

/// Pages of a memory object, and where they are to lie.
pub struct Placing {
    /// Address of the first page.
    pub address: u64,
    /// The object.
    pub memory: Arc<Memory>,
    /// Page in the object.
    pub first: u64,
    /// How many.
    pub pages: u64,
}

impl Space {
    /// An address space with nothing but the window's header pages.
    pub fn new(account: &Arc<Account>) -> Result<Arc<Space>, Refusal> {
        account.charge(1)?;
        let tables = AddressSpace::new(cpu::this_node()).inspect_err(|_| account.refund(1))?;
        let root = tables.root();
        let mut inner = Inner {
            tables,
            charged: 1,
            mapped: Ranges::new(),
            window: Ranges::new(),
            note: 0,
        };
        let mapped = inner.map(account, window::header_pages(), Access::Read);
        mapped.inspect_err(|_| account.refund(inner.charged))?;
        Ok(Arc::new(Space {
            root,
            cpus: Arc::new(CpuSet::new()),
            has_ended: AtomicBool::new(false),
            account: account.clone(),
            inner: Lock::new(inner),
            threads: Lock::new(None),
            notices: Notices::new(),
        }))
    }

    /// For CR3.
    pub fn root(&self) -> u64 {
        self.root
    }

    /// The CPUs that may hold translations.
    pub fn cpus(&self) -> &CpuSet {
        &self.cpus
    }

    /// The same, for threads of the process, which may stay longer.
    pub fn shared_cpus(&self) -> Arc<CpuSet> {
        self.cpus.clone()
    }

    /// Its process, of these threads, has ended: no CPU should keep it.
    pub fn end(&self, threads: Arc<Threads>) {
        let before = self.threads.lock().replace(threads);
        drop(before);
        if !self.has_ended.swap(true, Ordering::SeqCst) {
            ENDED.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Whether its process has ended.
    pub fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::SeqCst)
    }

    /// What is mapped, locked.
    pub fn lock(&self) -> Guard<'_, Inner, { rank::SPACE }> {
        self.inner.lock()
    }

    /// Those who are told when it has gone.
    pub fn notices(&self) -> &Notices {
        &self.notices
    }

    /// Who pays for page tables.
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Waits until no CPU holds a translation that was taken away. No lock is held here.
    pub fn shoot_down(&self) {
        mailbox::shoot_down(&self.cpus, self.root);
    }

    /// Maps memory outside the window.
    pub fn map(&self, placing: &Placing, access: u64) -> Result<(), Refusal> {
        let Placing {
            address,
            memory,
            first,
            pages,
        } = placing;
        require(address.is_multiple_of(PAGE_SIZE), Status::Misaligned)?;
        let access = decode_access(access).ok_or(Status::BadArgument)?;
        let frames = memory.plain().ok_or(Status::BadArgument)?;
        let end = first
            .checked_add(*pages)
            .filter(|_| *pages > 0)
            .ok_or(Status::BadArgument)?;
        let frames = frames
            .get(*first as usize..end as usize)
            .ok_or(Status::BadArgument)?;
        check_range(*address, *pages)?;
        let result = {
            let _payer = heap::charge_to(&self.account);
            let mut inner = self.inner.lock();
            let page = address / PAGE_SIZE;
            require(!inner.mapped.overlaps(page, *pages), Status::AlreadyMapped)?;
            inner.mapped.insert(Range {
                first: page,
                pages: *pages,
                memory: memory.clone(),
                memory_first: *first,
                tag: 0,
            })?;
            let places = (0..)
                .map(|page| address + page * PAGE_SIZE)
                .zip(frames.iter().copied());
            let result = inner.map(&self.account, places, access);
            result.inspect_err(|_| drop(inner.mapped.take(page)))
        };
        if result.is_err() {
            // Another CPU may have used what was mapped for a moment.
            self.shoot_down();
        }
        result
    }

    /// Takes memory outside the window away.
    pub fn unmap(&self, address: u64, pages: u64) -> Result<(), Refusal> {
        require(address.is_multiple_of(PAGE_SIZE), Status::Misaligned)?;
        require(pages > 0, Status::BadArgument)?;
        check_range(address, pages)?;
        let removed = {
            let _payer = heap::charge_to(&self.account);
            let mut inner = self.inner.lock();
            let first = address / PAGE_SIZE;
            require(inner.mapped.covers(first, pages), Status::NotMapped)?;
            let removed = inner.mapped.remove_any(first, pages)?;
            for page in 0..pages {
                inner.tables.unmap(address + page * PAGE_SIZE);
            }
            removed
        };
        self.shoot_down();
        breath::for_each(removed, 1, drop);
        Ok(())
    }

    /// Copies a program's bytes.
    pub fn copy_in(&self, address: u64, to: &mut [u8]) -> Result<(), Refusal> {
        Ok(user::copy_in(&self.inner.lock().tables, address, to)?)
    }

    /// Writes to a program's memory.
    pub fn copy_out(&self, address: u64, from: &[u8]) -> Result<(), Refusal> {
        Ok(user::copy_out(&self.inner.lock().tables, address, from)?)
    }
}

impl Inner {
    /// Maps all of these pages or none; the account pays for page tables, each before it is made. Those made on the
    /// way stay.
    pub fn map(
        &mut self,
        account: &Account,
        places: impl Iterator<Item = (u64, PhysicalFrame)> + Clone,
        access: Access,
    ) -> Result<(), Refusal> {
        let mut done = 0;
        let mut result = Ok(());
        for (address, frame) in places.clone() {
            let mapped = self.tables.map_near(address, frame, access);
            if mapped != Some(Ok(())) {
                result = match mapped {
                    Some(refused) => refused.map_err(Refusal::from),
                    None => self.map_far(account, (address, frame), access),
                };
                if result.is_err() {
                    break;
                }
            }
            done += 1;
        }
        if result.is_err() {
            self.take_back(places.take(done));
        }
        result
    }

    #[cold]
    fn take_back(&mut self, places: impl Iterator<Item = (u64, PhysicalFrame)>) {
        for (address, _) in places {
            self.tables.unmap(address);
        }
    }

    /// Makes the page tables for these pages; the account pays for them.
    pub fn prepare(
        &mut self,
        account: &Account,
        mut addresses: impl Iterator<Item = u64>,
    ) -> Result<(), Refusal> {
        addresses.try_for_each(|address| self.make_tables(account, address))
    }

    #[inline(never)]
    fn map_far(
        &mut self,
        account: &Account,
        (address, frame): (u64, PhysicalFrame),
        access: Access,
    ) -> Result<(), Refusal> {
        self.make_tables(account, address)?;
        let mapped = self.tables.map_near(address, frame, access);
        Ok(mapped.expect("the page table was just looked up")?)
    }

    fn make_tables(&mut self, account: &Account, address: u64) -> Result<(), Refusal> {
        let missing = self.tables.missing(address);
        account.charge(missing)?;
        let made = self.tables.prepare(address);
        self.charged += missing;
        // None is left over, unless the node has run out of frames.
        account.refund(self.charged - self.tables.table_frames());
        self.charged = self.tables.table_frames();
        Ok(made?)
    }
}

fn decode_access(word: u64) -> Option<Access> {
    match word {
        access::READ => Some(Access::Read),
        access::WRITE => Some(Access::Write),
        access::EXECUTE => Some(Access::Execute),
        _ => None,
    }
}

/// Pages that a program may map or unmap: in user space, not the first one, not in the window.
fn check_range(address: u64, pages: u64) -> Result<(), Refusal> {
    let bytes = pages.checked_mul(PAGE_SIZE);
    let end = bytes
        .and_then(|bytes| address.checked_add(bytes))
        .ok_or(Status::BadAddress)?;
    let window_end = WINDOW_BASE + MAX_CPUS as u64 * options::options().window_stride;
    let is_outside_window = end <= WINDOW_BASE || address >= window_end;
    require(
        address >= PAGE_SIZE && end <= USER_END && is_outside_window,
        Status::BadAddress,
    )
}

/// No CPU has the page table loaded any more, so none runs a thread of the process. Those that wait for others would
/// never answer: their callers learn it now, and not when that wait ends.
impl Drop for Space {
    fn drop(&mut self) {
        let threads = self.threads.get_mut().iter().flat_map(|threads| threads.values());
        breath::for_each(threads, breath::OFTEN, |thread| {
            let caller = thread.upgrade().and_then(|thread| thread.take_caller());
            caller.into_iter().for_each(ipc::lose);
        });
        thread::forget(self.threads.get_mut().take());
        let inner = self.inner.get_mut();
        breath::for_each(core::iter::from_fn(|| inner.window.pop()), 1, |range| {
            range.memory.give_back(range.memory_first, range.pages);
        });
        breath::for_each(core::iter::from_fn(|| inner.mapped.pop()), 1, drop);
        self.account.refund(inner.charged);
        if *self.has_ended.get_mut() {
            ENDED.fetch_sub(1, Ordering::SeqCst);
        }
    }
}
