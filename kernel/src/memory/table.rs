//! One page table of any level, reached through the physical map.
//!
//! Source: Intel SDM volume 3, section 4.5 (4-level paging).

use percpu_core::NodeId;

use super::frame::{self, Exhausted, PhysicalFrame};

pub const PRESENT: u64 = 1;
pub const WRITABLE: u64 = 1 << 1;
pub const USER: u64 = 1 << 2;
pub const WRITE_THROUGH: u64 = 1 << 3;
pub const UNCACHED: u64 = 1 << 4;
/// In a page directory: a page of 2 MiB.
pub const LARGE: u64 = 1 << 7;
/// Ignored by the CPU: remembers that code was asked for, also on a CPU without the no-execute bit.
pub const EXECUTABLE: u64 = 1 << 9;
pub const NO_EXECUTE: u64 = 1 << 63;
/// Where an entry points to.
pub const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
pub const ENTRIES: usize = 512;

/// A page table.
#[derive(Clone, Copy)]
pub struct Table(*mut u64);

impl Table {
    /// The page table at this physical address.
    ///
    /// # Safety
    /// 1. A page table lies there, and stays one as long as the result is used.
    pub unsafe fn at(physical: u64) -> Table {
        Table(super::physical_pointer(physical).cast())
    }

    /// Where it lies.
    pub fn physical(self) -> u64 {
        self.0 as u64 - super::PHYSICAL_OFFSET
    }

    /// An entry.
    pub fn read(self, index: usize) -> u64 {
        assert!(index < ENTRIES);
        // SAFETY: the creator's promise, and the index is inside the table. Volatile, because the CPU itself
        // sets bits in it.
        unsafe { self.0.add(index).read_volatile() }
    }

    /// The present entries, with their indexes. Most are empty: eight are looked at at once.
    pub fn present(self) -> impl Iterator<Item = (usize, u64)> {
        let any =
            move |first| (first..first + 8).fold(0, |bits, index| bits | self.read(index)) & PRESENT != 0;
        let firsts = (0..ENTRIES).step_by(8).filter(move |first| any(*first));
        let entries =
            firsts.flat_map(move |first| (first..first + 8).map(move |index| (index, self.read(index))));
        entries.filter(|(_, entry)| entry & PRESENT != 0)
    }

    /// Changes an entry.
    ///
    /// # Safety
    /// 1. What the entry maps afterwards is no memory that anyone relies on otherwise.
    pub unsafe fn write(self, index: usize, entry: u64) {
        assert!(index < ENTRIES);
        // SAFETY: as for reading.
        unsafe { self.0.add(index).write_volatile(entry) }
    }

    /// The table that an entry points to, if there is one.
    pub fn next(self, index: usize) -> Option<Table> {
        let entry = self.read(index);
        let is_table = entry & (PRESENT | LARGE) == PRESENT;
        // SAFETY: 1. present entries above the last level that are not large pages point to tables.
        is_table.then(|| unsafe { Table::at(entry & ADDRESS) })
    }

    /// The table that an entry points to, made on `node` if there was none, and whether it was made.
    pub fn next_or_new(self, index: usize, flags: u64, node: NodeId) -> Result<(Table, bool), Exhausted> {
        if let Some(next) = self.next(index) {
            return Ok((next, false));
        }
        let frame = frame::allocate_near(node)?;
        // SAFETY: 1. the frame is fresh and zero: an empty table, used as nothing else.
        unsafe {
            self.write(index, frame.address() | flags);
            Ok((Table::at(frame.address()), true))
        }
    }
}

/// Index of an address in the table of a level: 4 for the PML4, 1 for the last.
pub fn index(address: u64, level: u32) -> usize {
    (address >> (3 + 9 * level)) as usize % ENTRIES
}

/// An entry's frame.
pub fn frame_of(entry: u64) -> PhysicalFrame {
    PhysicalFrame::from_address(entry & ADDRESS)
}
