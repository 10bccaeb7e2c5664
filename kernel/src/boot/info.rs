//! What the boot door says about memory, and which of it is free.
//!
//! `BootInfo` is the contract of both doors. A loader's map may call memory usable that is in use: the
//! kernel, the boot module, and everything below 1 MiB (firmware data, start_info, the code that other CPUs
//! start in). That is taken out here, once.

use bootloader_api::BootInfo;
use bootloader_api::info::{MemoryRegion, MemoryRegionKind};
use percpu_core::PAGE_SIZE;

use super::{module, trampoline};
use crate::log;
use crate::memory::PhysicalRange;

const LOW_MEMORY: PhysicalRange = PhysicalRange {
    start: 0,
    end: 1 << 20,
};
/// Where other CPUs may start: firmware is known to scribble below it, video memory lies above.
const START_AREA: PhysicalRange = PhysicalRange {
    start: 64 << 10,
    end: 640 << 10,
};
const MAX_RANGES: usize = 128;
/// E820 types of the PVH door: tables of firmware, and what it keeps for itself.
const ACPI_KINDS: [u32; 2] = [3, 4];
/// The same two among UEFI's memory types.
const UEFI_ACPI_KINDS: [u32; 2] = [9, 10];

/// The memory of the machine.
pub struct Memory {
    usable: [PhysicalRange; MAX_RANGES],
    count: usize,
    end: u64,
    start_area: Option<u64>,
}

impl Memory {
    /// What `info` leaves free.
    pub fn read(info: &BootInfo) -> Memory {
        let mut memory = Memory {
            usable: [PhysicalRange::default(); MAX_RANGES],
            count: 0,
            end: 0,
            start_area: None,
        };
        let mut taken = [LOW_MEMORY, kernel(info), module::place()];
        taken.sort_unstable_by_key(|range| range.start);
        for region in info.memory_regions.iter() {
            let is_usable = region.kind == MemoryRegionKind::Usable;
            if is_usable {
                memory.start_area = memory.start_area.or_else(|| start_area(region));
                memory.add_around(
                    PhysicalRange {
                        start: region.start,
                        end: region.end,
                    },
                    &taken,
                );
            }
            if is_usable || is_used_later(region.kind) {
                memory.end = memory.end.max(region.end);
            }
        }
        let bytes: u64 = memory.usable().map(|range| range.end - range.start).sum();
        log!(
            "memory: {} MiB free in {} pieces, RAM ends at {:#x}",
            bytes >> 20,
            memory.count,
            memory.end
        );
        memory
    }

    /// Free pieces, in whole pages.
    pub fn usable(&self) -> impl Iterator<Item = PhysicalRange> + Clone + '_ {
        self.usable[..self.count].iter().copied()
    }

    /// Where memory and tables of firmware end.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Memory below 1 MiB that other CPUs can start in, as large as [`trampoline::AREA`].
    pub fn start_area(&self) -> Option<u64> {
        self.start_area
    }

    fn add_around(&mut self, region: PhysicalRange, taken: &[PhysicalRange]) {
        let mut start = region.start;
        for hole in taken {
            if hole.start < region.end && hole.end > start {
                self.add(PhysicalRange {
                    start,
                    end: hole.start,
                });
                start = hole.end;
            }
        }
        self.add(PhysicalRange {
            start,
            end: region.end,
        });
    }

    fn add(&mut self, range: PhysicalRange) {
        let start = range.start.next_multiple_of(PAGE_SIZE);
        let end = range.end / PAGE_SIZE * PAGE_SIZE;
        if start >= end {
            return;
        }
        // UEFI's map has many borders that mean nothing here: between what it used itself and what it did not.
        if let Some(last) = self.usable[..self.count]
            .last_mut()
            .filter(|last| last.end == start)
        {
            last.end = end;
            return;
        }
        match self.usable.get_mut(self.count) {
            Some(slot) => {
                *slot = PhysicalRange { start, end };
                self.count += 1;
            }
            None => log!("memory: no room to remember {start:#x}-{end:#x}, it stays unused"),
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

fn start_area(region: &MemoryRegion) -> Option<u64> {
    let start = region.start.max(START_AREA.start).next_multiple_of(PAGE_SIZE);
    let end = region.end.min(START_AREA.end);
    (end.saturating_sub(start) >= trampoline::AREA).then_some(start)
}

/// Through the PVH door the image itself. Through the other one the ELF file, which the map leaves out already, as it does
/// with the image.
fn kernel(info: &BootInfo) -> PhysicalRange {
    PhysicalRange {
        start: info.kernel_addr,
        end: info.kernel_addr.saturating_add(info.kernel_len),
    }
}
