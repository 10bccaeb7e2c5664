//! Memory objects, and mapping them into this process.

use core::ptr::{with_exposed_provenance, with_exposed_provenance_mut};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use abi::syscall::{MemoryKind, Placement, access};
use abi::{Call, Handle, PAGE_SIZE, Registers};

use crate::sync::Mutex;
use crate::syscall::{ask, command};
use crate::{Refusal, ipc, start};

/// Where this process maps memory: above its program, its window's range and its first stack are elsewhere.
const MAPPINGS_BASE: usize = 0x2000_0000_0000;

/// A memory object: frames, cleared when it was made. They stay as long as they are mapped somewhere, even
/// when this is dropped.
#[derive(Debug)]
pub struct Memory {
    handle: Handle,
    pages: u64,
}

impl Memory {
    /// Frames paid by the process `account`.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn create(account: Handle, pages: u64, placement: Placement) -> Result<Memory, Refusal> {
        let registers = Registers::of(&[account.0, pages, placement.encode()]);
        let results = ask(Call::MemoryCreate, &registers)?;
        Ok(Memory {
            handle: Handle(results.0[0]),
            pages,
        })
    }

    /// Frames of this program's own account.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn own(pages: u64) -> Result<Memory, Refusal> {
        Memory::create(start::info().process, pages, Placement::Anywhere)
    }

    /// A memory object that somebody else has made, by a capability of this program's own. None for per-CPU memory,
    /// which cannot be mapped here: the capability is dropped then.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn received(handle: Handle) -> Result<Option<Memory>, Refusal> {
        let [_, pages, kind, ..] = ask(Call::MemoryQuery, &Registers::of(&[handle.0]))?.0;
        let memory = Memory { handle, pages };
        Ok((kind == MemoryKind::Plain as u64).then_some(memory))
    }

    /// The number of the memory object, which no other one ever has.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn number(handle: Handle) -> Result<u64, Refusal> {
        ask(Call::MemoryQuery, &Registers::of(&[handle.0])).map(|results| results.0[0])
    }

    /// Its handle.
    #[must_use]
    pub const fn handle(&self) -> Handle {
        self.handle
    }

    /// Its handle, for whoever drops it.
    #[must_use]
    pub fn into_handle(self) -> Handle {
        core::mem::ManuallyDrop::new(self).handle
    }

    /// Its pages.
    #[must_use]
    pub const fn pages(&self) -> u64 {
        self.pages
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // The handle was valid when this was made, and only this drops it: a refusal changes nothing here.
        let _ = ipc::drop_capability(self.handle);
    }
}

/// Memory, mapped writable into this process at an address of its own, with an unmapped page before it.
#[derive(Debug)]
pub struct Mapping {
    address: usize,
    pages: u64,
    memory: Option<Memory>,
}

impl Mapping {
    /// Maps all of a memory object. The object is the mapping's until [`Mapping::unmap`], so it cannot be
    /// mapped here twice.
    ///
    /// # Errors
    /// The kernel's refusal; the memory is dropped.
    pub fn new(memory: Memory) -> Result<Mapping, Refusal> {
        let pages = memory.pages;
        let address = unused_addresses(pages);
        let [own, handle] = [start::info().process.0, memory.handle.0];
        let registers = Registers::of(&[own, handle, address as u64, 0, pages, access::WRITE]);
        // SAFETY: 1. nothing lies at the range: it is new or was unmapped, and is given out to us alone.
        // 2. starts no thread.
        let mapped = unsafe { command(Call::MemoryMap, &registers) };
        mapped.inspect_err(|_| {
            remember(AddressRange {
                start: address,
                pages,
            })
        })?;
        Ok(Mapping {
            address,
            pages,
            memory: Some(memory),
        })
    }

    /// New memory of this program's own account, mapped for good: its handle is given up.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn own(pages: u64) -> Result<Mapping, Refusal> {
        let mut mapping = Mapping::new(Memory::own(pages)?)?;
        mapping.memory = None;
        Ok(mapping)
    }

    /// Unmaps it. Gives the memory back if this mapping still had its handle.
    #[must_use]
    pub fn unmap(mut self) -> Option<Memory> {
        self.memory.take()
    }

    /// The address of its first byte.
    #[must_use]
    pub const fn address(&self) -> usize {
        self.address
    }

    /// Its size.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.pages as usize * PAGE_SIZE as usize
    }

    /// Its contents, which others may have mapped and change at any time.
    #[must_use]
    pub fn words(&self) -> &[AtomicU64] {
        let start = with_exposed_provenance::<AtomicU64>(self.address);
        // SAFETY: `new` mapped these bytes writable and page-aligned, at addresses that are this mapping's alone.
        unsafe { core::slice::from_raw_parts(start, self.bytes() / size_of::<AtomicU64>()) }
    }

    /// Its contents.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        let start = with_exposed_provenance_mut(self.address);
        // SAFETY: `new` mapped these bytes writable, at addresses that are this mapping's alone.
        unsafe { core::slice::from_raw_parts_mut(start, self.bytes()) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let registers = Registers::of(&[start::info().process.0, self.address as u64, self.pages]);
        // SAFETY: 1. whoever borrowed the contents had to give them back before. 2. starts no thread.
        let unmapped = unsafe { command(Call::MemoryUnmap, &registers) };
        // A refusal is impossible for what `new` mapped; it would leave it mapped, which harms nobody.
        if unmapped.is_ok() {
            remember(AddressRange {
                start: self.address,
                pages: self.pages,
            });
        }
    }
}

/// Address ranges that were unmapped, to be used again: page tables come and go with addresses.
static UNMAPPED: Mutex<[AddressRange; 16]> = Mutex::new([AddressRange { start: 0, pages: 0 }; 16]);

/// Addresses that nobody uses; none at all if `pages` is 0.
#[derive(Clone, Copy)]
struct AddressRange {
    start: usize,
    pages: u64,
}

/// Addresses for so many pages, with a guard page before them: those of an unmapped range of that size, or
/// new ones, of which there are 64 TiB.
fn unused_addresses(pages: u64) -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(MAPPINGS_BASE);
    let mut unmapped = UNMAPPED.lock();
    if let Some(range) = unmapped
        .iter_mut()
        .find(|range| range.pages == pages && pages > 0)
    {
        range.pages = 0;
        return range.start;
    }
    let page = PAGE_SIZE as usize;
    let bytes = (pages as usize).saturating_add(1).saturating_mul(page);
    NEXT.fetch_add(bytes, Ordering::Relaxed) + page
}

/// Remembers an unmapped range, if there is room; otherwise its addresses are not used again.
fn remember(range: AddressRange) {
    if let Some(free) = UNMAPPED.lock().iter_mut().find(|free| free.pages == 0) {
        *free = range;
    }
}
