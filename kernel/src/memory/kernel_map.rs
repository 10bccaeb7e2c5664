//! The kernel's page table: no page both writable and executable, all memory in the physical map.
//!
//! Its upper half, entries 256 to 511 of the PML4, is shared by every address space: no entry of the PML4
//! changes after the first address space was made. Of what is one to one in low memory only the page in which other CPUs
//! start is left: the rest stays behind with the boot page table.

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use percpu_core::{NodeId, PAGE_SIZE};
use x86_64::VirtAddr;
use x86_64::registers::model_specific::{Efer, EferFlags};
use x86_64::structures::paging::{OffsetPageTable, PageTable, Translate};

use super::frame::{self, PhysicalFrame};
use super::table::{self, LARGE, NO_EXECUTE, PRESENT, Table, UNCACHED, WRITABLE, WRITE_THROUGH};
use super::{PHYSICAL_OFFSET, physical_pointer};
use crate::boot::info::Memory;
use crate::cpu;
use crate::log;

/// Where units of the first chunk lie that are made of single pages: one entry of the PML4, below the image's.
pub const PER_CPU_AREA: u64 = 0xffff_ff00_0000_0000;
/// Its size.
pub const PER_CPU_AREA_SIZE: u64 = 1 << 39;

const LARGE_PAGE: u64 = 2 << 20;
/// The physical map reaches at least here: local and I/O APICs lie below.
const AT_LEAST: u64 = 4 << 30;

unsafe extern "C" {
    static __kernel_start: u8;
    static __text_end: u8;
    static __rodata_end: u8;
    static __kernel_end: u8;
}

static ROOT: AtomicU64 = AtomicU64::new(0);
/// The no-execute bit, or 0 on a CPU without it.
static NO_EXECUTE_BIT: AtomicU64 = AtomicU64::new(0);

/// The kernel page table, for CR3. A CPU that loads it has EFER.NXE set if it has the bit.
pub fn kernel_root() -> u64 {
    ROOT.load(Ordering::Relaxed)
}

/// What forbids execution in a page-table entry on this machine.
pub fn no_execute_bit() -> u64 {
    NO_EXECUTE_BIT.load(Ordering::Relaxed)
}

/// The kernel image, by link addresses.
pub fn image() -> Range<u64> {
    (&raw const __kernel_start) as u64..(&raw const __kernel_end) as u64
}

/// Builds the page table and switches to it. Runs once, on the boot page table. `devices` are addresses of registers that the
/// kernel uses: what is around them is not cached.
pub fn initialize(memory: &Memory, devices: impl Iterator<Item = u64>) {
    if cpu::features::detect().nx {
        // SAFETY: the CPU has the bit; entries of the boot page table have it set only if it is on already.
        unsafe { Efer::update(|efer| efer.insert(EferFlags::NO_EXECUTE_ENABLE)) };
        NO_EXECUTE_BIT.store(NO_EXECUTE, Ordering::Relaxed);
    }
    let root = new_table();
    // SAFETY: 1. the frame is fresh and zero: an empty table.
    let pml4 = unsafe { Table::at(root.address()) };
    let end = memory.end.max(AT_LEAST);
    (0..end)
        .step_by(LARGE_PAGE as usize)
        .for_each(|physical| map_large(pml4, physical, 0));
    devices
        .filter(|device| *device < end)
        .for_each(|device| map_large(pml4, device, UNCACHED | WRITE_THROUGH));
    map_image(pml4);
    if let Some(page) = memory.start_page {
        // SAFETY: 1. nobody's memory; other CPUs' first instructions will lie there.
        unsafe { last_table(pml4, page).write(table::index(page, 1), page | PRESENT) };
    }
    ROOT.store(root.address(), Ordering::Relaxed);
    cpu::load_page_table(root.address());
    // Whatever is free is mapped from here on.
    frame::lift_ceiling();
    log!(
        "memory: kernel page table at {:#x}, W^X, {}",
        root.address(),
        match no_execute_bit() {
            0 => "without no-execute",
            _ => "no-execute on",
        }
    );
}

/// Maps frames one behind the other from [`PER_CPU_AREA`] on, for the kernel to read and write. Runs at most
/// once, before the first address space takes over the entries of the kernel's half.
pub fn map_per_cpu_area(frames: &[PhysicalFrame]) {
    assert!(frames.len() as u64 <= PER_CPU_AREA_SIZE / PAGE_SIZE);
    // SAFETY: 1. `initialize` made it, and it is never given back.
    let pml4 = unsafe { Table::at(kernel_root()) };
    let addresses = (PER_CPU_AREA..).step_by(PAGE_SIZE as usize);
    for (address, frame) in addresses.zip(frames) {
        let last = last_table(pml4, address);
        let entry = frame.address() | PRESENT | WRITABLE | no_execute_bit();
        // SAFETY: 1. nothing was mapped there before, so no CPU remembers anything of it either.
        unsafe { last.write(table::index(address, 1), entry) };
    }
}

/// Every frame that is a table of it.
pub fn each_table(visit: &mut dyn FnMut(PhysicalFrame)) {
    visit(PhysicalFrame::from_address(kernel_root()));
    // SAFETY: 1. `initialize` made it, and it is never given back.
    each_below(unsafe { Table::at(kernel_root()) }, 4, visit);
}

fn each_below(at: Table, level: u32, visit: &mut dyn FnMut(PhysicalFrame)) {
    for index in 0..table::ENTRIES {
        if level > 1
            && let Some(next) = at.next(index)
        {
            visit(table::frame_of(at.read(index)));
            each_below(next, level - 1, visit);
        }
    }
}

/// Maps 2 MiB of the physical map, those around an address.
fn map_large(pml4: Table, physical: u64, cache: u64) {
    let page = physical - physical % LARGE_PAGE;
    let address = PHYSICAL_OFFSET + page;
    let directory = down(down(pml4, address, 4), address, 3);
    let entry = page | PRESENT | WRITABLE | LARGE | cache | no_execute_bit();
    // SAFETY: 1. the table is not in use yet, and the physical map is nobody's memory in particular.
    unsafe { directory.write(table::index(address, 2), entry) };
}

fn map_image(pml4: Table) {
    let (text_end, rodata_end) = ((&raw const __text_end) as u64, (&raw const __rodata_end) as u64);
    for address in image().step_by(PAGE_SIZE as usize) {
        let flags = match address {
            _ if address < text_end => PRESENT,
            _ if address < rodata_end => PRESENT | no_execute_bit(),
            _ => PRESENT | WRITABLE | no_execute_bit(),
        };
        let physical = physical_of(address);
        let last = last_table(pml4, address);
        // SAFETY: 1. the table is not in use yet; the image stays where it is, with the access it was
        // compiled for.
        unsafe { last.write(table::index(address, 1), physical | flags) };
    }
}

/// What an address stands for by the page table in use, which maps it.
pub fn physical_of(address: u64) -> u64 {
    let root = physical_pointer(cpu::page_table()).cast::<PageTable>();
    // SAFETY: 1. CR3 points to a page table in the physical map, and it stays until the switch; nobody else changes it.
    let tables = unsafe { OffsetPageTable::new(&mut *root, VirtAddr::new(PHYSICAL_OFFSET)) };
    let physical = tables.translate_addr(VirtAddr::new(address));
    physical.expect("the boot door maps what it names").as_u64()
}

/// The table that maps 2 MiB around an address in pages of 4 KiB, made if need be.
fn last_table(pml4: Table, address: u64) -> Table {
    down(down(down(pml4, address, 4), address, 3), address, 2)
}

fn down(at: Table, address: u64, level: u32) -> Table {
    let made = at.next_or_new(table::index(address, level), PRESENT | WRITABLE, NodeId::FIRST);
    made.expect("memory for the kernel's page table").0
}

fn new_table() -> PhysicalFrame {
    frame::allocate_near(NodeId::FIRST).expect("memory for the kernel's page table")
}
