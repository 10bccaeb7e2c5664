//! The address space of a program: a page table with the kernel's half in it.
//!
//! Pages are 4 KiB, and none is both writable and executable. Translations that CPUs still hold after
//! [`AddressSpace::unmap`] are the caller's concern, and so are the frames mapped: only page tables belong to
//! the address space.

use core::cell::Cell;

use percpu_core::{NodeId, PAGE_SIZE};

use super::frame::{self, Exhausted, PhysicalFrame};
use super::kernel_map;
use super::table::{self, ADDRESS, ENTRIES, EXECUTABLE, PRESENT, Table, USER, WRITABLE};
use crate::cpu;

/// No user mapping reaches here: the last page below the hole stays empty, since `sysret` to its end faults
/// in kernel mode.
pub const USER_END: u64 = 0x7fff_ffff_e000;

const FIRST_KERNEL_ENTRY: usize = ENTRIES / 2;

/// What a program may do with a page. Every page can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Read.
    Read,
    /// Read and write.
    Write,
    /// Read and execute.
    Execute,
}

/// There is a page at that address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AlreadyMapped;

/// A page table of a program.
#[derive(Debug)]
pub struct AddressSpace {
    root: PhysicalFrame,
    node: NodeId,
    table_frames: u64,
    recent: [Recent; RECENT],
}

/// Tables that are kept in mind. The same page of one unit after another is in tables that lie far apart.
const RECENT: usize = 64;

/// A table that was looked up: pages come side by side, and again. It stays a table as long as the address space lives.
#[derive(Debug)]
struct Recent {
    /// Bits 21 and above of the addresses that it maps, and 1: 0 is none.
    addresses: Cell<u64>,
    /// Where it lies.
    physical: Cell<u64>,
}

impl Recent {
    fn none() -> Recent {
        Recent {
            addresses: Cell::new(0),
            physical: Cell::new(0),
        }
    }

    fn key(address: u64) -> u64 {
        address >> 21 << 1 | 1
    }

    /// The place of a table among those that are kept in mind: units are 64 MiB apart unless somebody wants it otherwise.
    fn place(address: u64) -> usize {
        (address >> 26) as usize % RECENT
    }

    fn find(&self, address: u64) -> Option<Table> {
        let is_it = self.addresses.get() == Self::key(address);
        // SAFETY: 1. it was noted as the last table of these addresses, and tables go with the address space.
        is_it.then(|| unsafe { Table::at(self.physical.get()) })
    }

    fn note(&self, address: u64, table: Table) {
        self.addresses.set(Self::key(address));
        self.physical.set(table.physical());
    }
}

impl AddressSpace {
    /// An empty one, with page tables near `node`.
    pub fn new(node: NodeId) -> Result<AddressSpace, Exhausted> {
        let space = AddressSpace {
            root: frame::allocate_near(node)?,
            node,
            table_frames: 1,
            recent: core::array::from_fn(|_| Recent::none()),
        };
        // SAFETY: 1. made by `kernel_map` and never given back.
        let kernel = unsafe { Table::at(kernel_map::kernel_root()) };
        for index in FIRST_KERNEL_ENTRY..ENTRIES {
            // SAFETY: 1. the kernel's half is the same everywhere.
            unsafe { space.pml4().write(index, kernel.read(index)) };
        }
        Ok(space)
    }

    /// For CR3.
    pub fn root(&self) -> u64 {
        self.root.address()
    }

    /// Frames taken by page tables.
    pub fn table_frames(&self) -> u64 {
        self.table_frames
    }

    /// Makes the page tables for a page below [`USER_END`], so that mapping it cannot fail for want of one. Those made before
    /// there was no memory stay.
    pub fn prepare(&mut self, address: u64) -> Result<(), Exhausted> {
        check(address);
        self.walk_or_make(address).map(drop)
    }

    /// How many page tables [`AddressSpace::prepare`] would make.
    pub fn missing(&self, address: u64) -> u64 {
        let mut at = self.pml4();
        for level in [4, 3, 2] {
            match at.next(table::index(address, level)) {
                Some(next) => at = next,
                None => return u64::from(level) - 1,
            }
        }
        0
    }

    /// Maps a frame at a page below [`USER_END`], if the last page table that was looked up is that of the page, as it
    /// is after [`AddressSpace::prepare`]; `None` if not.
    #[inline(always)]
    pub fn map_near(
        &mut self,
        address: u64,
        frame: PhysicalFrame,
        access: Access,
    ) -> Option<Result<(), AlreadyMapped>> {
        check(address);
        let at = self.recent[Recent::place(address)].find(address)?;
        let index = table::index(address, 1);
        if at.read(index) & PRESENT != 0 {
            return Some(Err(AlreadyMapped));
        }
        let flags = match access {
            Access::Read => kernel_map::no_execute_bit(),
            Access::Write => WRITABLE | kernel_map::no_execute_bit(),
            Access::Execute => EXECUTABLE,
        };
        // SAFETY: 1. a user page: the kernel never uses its address.
        unsafe { at.write(index, frame.address() | PRESENT | USER | flags) };
        Some(Ok(()))
    }

    #[inline(never)]
    fn walk_or_make(&mut self, address: u64) -> Result<Table, Exhausted> {
        // Whoever maps many pages comes here for every 512th at the latest.
        cpu::breathe();
        let mut at = self.pml4();
        for level in [4, 3, 2] {
            let flags = PRESENT | WRITABLE | USER;
            let (next, is_new) = at.next_or_new(table::index(address, level), flags, self.node)?;
            self.table_frames += u64::from(is_new);
            at = next;
        }
        self.recent[Recent::place(address)].note(address, at);
        Ok(at)
    }

    /// Removes a page, and says which frame it was.
    #[inline(always)]
    pub fn unmap(&mut self, address: u64) -> Option<PhysicalFrame> {
        check(address);
        let (last, index) = self.last_table(address)?;
        let entry = last.read(index);
        // SAFETY: 1. as for `map`.
        unsafe { last.write(index, 0) };
        (entry & PRESENT != 0).then(|| table::frame_of(entry))
    }

    /// The frame of a page and what may be done with it; `None` where nothing is mapped.
    pub fn translate(&self, address: u64) -> Option<(PhysicalFrame, Access)> {
        if address >= USER_END {
            return None;
        }
        let (last, index) = self.last_table(address)?;
        let entry = last.read(index);
        let access = match entry {
            _ if entry & PRESENT == 0 => return None,
            _ if entry & WRITABLE != 0 => Access::Write,
            _ if entry & EXECUTABLE != 0 => Access::Execute,
            _ => Access::Read,
        };
        Some((table::frame_of(entry), access))
    }

    fn pml4(&self) -> Table {
        // SAFETY: 1. it is one as long as this value lives.
        unsafe { Table::at(self.root.address()) }
    }

    #[inline(always)]
    fn last_table(&self, address: u64) -> Option<(Table, usize)> {
        let index = table::index(address, 1);
        let recent = &self.recent[Recent::place(address)];
        if let Some(recent) = recent.find(address) {
            return Some((recent, index));
        }
        // As above.
        cpu::breathe();
        let last = [4, 3, 2]
            .iter()
            .try_fold(self.pml4(), |at, level| at.next(table::index(address, *level)))?;
        recent.note(address, last);
        Some((last, index))
    }
}

impl Drop for AddressSpace {
    /// No CPU uses the page table any more: whoever owns the address space sees to that.
    fn drop(&mut self) {
        let pml4 = self.pml4();
        pml4.present()
            .take_while(|(index, _)| *index < FIRST_KERNEL_ENTRY)
            .for_each(|(_, entry)| free_tables(entry, 3));
        frame::free(self.root);
    }
}

fn free_tables(entry: u64, level: u32) {
    if level > 1 {
        // SAFETY: 1. a present entry of level 2 or above in the user half points to a table; large pages are
        // never mapped there.
        let at = unsafe { Table::at(entry & ADDRESS) };
        at.present().for_each(|(_, entry)| free_tables(entry, level - 1));
        cpu::breathe();
    }
    frame::free(table::frame_of(entry));
}

fn check(address: u64) {
    assert!(
        address < USER_END && address.is_multiple_of(PAGE_SIZE),
        "no user page at {address:#x}"
    );
}
