//! What the boot door says about memory, and which of it is free.
//!
//! `BootInfo` is the contract of both doors. A loader's map may call memory usable that is in use: the
//! kernel, the boot module, and everything below 1 MiB (firmware data, start_info, the code that other CPUs
//! start in). That is taken out here, once.

use core::ops::Range;

use arrayvec::ArrayVec;
use bootloader_api::BootInfo;
use bootloader_api::info::{MemoryRegion, MemoryRegionKind};
use percpu_core::PAGE_SIZE;

use super::module;
use crate::log;

const LOW_MEMORY: Range<u64> = 0..1 << 20;
/// Where other CPUs may start: firmware is known to scribble below it, video memory lies above.
const START_AREA: Range<u64> = 64 << 10..640 << 10;
const MAX_RANGES: usize = 128;
/// E820 types of the PVH door: tables of firmware, and what it keeps for itself.
const ACPI_KINDS: [u32; 2] = [3, 4];
/// The same two among UEFI's memory types.
const UEFI_ACPI_KINDS: [u32; 2] = [9, 10];

/// The memory of the machine.
pub struct Memory {
    /// Free pieces, in whole pages.
    pub usable: ArrayVec<Range<u64>, MAX_RANGES>,
    /// Where memory and tables of firmware end.
    pub end: u64,
    /// A page below 1 MiB that other CPUs can start in.
    pub start_page: Option<u64>,
}

impl Memory {
    /// What `info` leaves free.
    pub fn read(info: &BootInfo) -> Memory {
        let mut memory = Memory {
            usable: ArrayVec::new(),
            end: 0,
            start_page: None,
        };
        let mut taken = [LOW_MEMORY, kernel(info), module::place()];
        taken.sort_unstable_by_key(|range| range.start);
        for region in info.memory_regions.iter() {
            let is_usable = region.kind == MemoryRegionKind::Usable;
            if is_usable {
                memory.start_page = memory.start_page.or_else(|| start_page(region));
                memory.add_around(region.start..region.end, &taken);
            }
            if is_usable || is_used_later(region.kind) {
                memory.end = memory.end.max(region.end);
            }
        }
        let bytes: u64 = memory.usable.iter().map(|range| range.end - range.start).sum();
        log!(
            "memory: {} MiB free in {} pieces, RAM ends at {:#x}",
            bytes >> 20,
            memory.usable.len(),
            memory.end
        );
        memory
    }

    fn add_around(&mut self, region: Range<u64>, taken: &[Range<u64>]) {
        let mut start = region.start;
        for hole in taken {
            if hole.start < region.end && hole.end > start {
                self.add(start..hole.start);
                start = hole.end;
            }
        }
        self.add(start..region.end);
    }

    fn add(&mut self, range: Range<u64>) {
        let start = range.start.next_multiple_of(PAGE_SIZE);
        let end = range.end / PAGE_SIZE * PAGE_SIZE;
        if start >= end {
            return;
        }
        // UEFI's map has many borders that mean nothing here: between what it used itself and what it did not.
        if let Some(last) = self.usable.last_mut()
            && last.end == start
        {
            last.end = end;
        } else if self.usable.try_push(start..end).is_err() {
            log!("memory: no room to remember {start:#x}-{end:#x}, it stays unused");
        }
    }
}

/// Tables of firmware, and what the UEFI loader made: the kernel's own image, and perhaps the module.
fn is_used_later(kind: MemoryRegionKind) -> bool {
    match kind {
        MemoryRegionKind::UnknownBios(kind) => ACPI_KINDS.contains(&kind),
        MemoryRegionKind::UnknownUefi(kind) => UEFI_ACPI_KINDS.contains(&kind),
        MemoryRegionKind::Bootloader => true,
        _ => false,
    }
}

fn start_page(region: &MemoryRegion) -> Option<u64> {
    let start = region.start.max(START_AREA.start).next_multiple_of(PAGE_SIZE);
    let end = region.end.min(START_AREA.end);
    (start + PAGE_SIZE <= end).then_some(start)
}

/// Through the PVH door the image itself. Through the other one the ELF file, which the map leaves out already, as it does
/// with the image.
fn kernel(info: &BootInfo) -> Range<u64> {
    info.kernel_addr..info.kernel_addr.saturating_add(info.kernel_len)
}
