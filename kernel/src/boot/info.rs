//! What the boot door says about memory, and which of it is free.
//!
//! `BootInfo` is the contract of both doors. A loader's map may call memory usable that is in use: the
//! kernel, the boot module, and everything below 1 MiB (firmware data, start_info, the trampoline of the
//! other CPUs). That is taken out here, once.

use bootloader_api::config::Mapping;
use bootloader_api::info::MemoryRegionKind;
use bootloader_api::{BootInfo, BootloaderConfig};
use percpu_core::PAGE_SIZE;

use crate::kernel_main;
use crate::log;
use crate::memory::kernel_map::{self, KERNEL_BASE};
use crate::memory::{PHYSICAL_OFFSET, PhysicalRange};

const LOW_MEMORY: PhysicalRange = PhysicalRange {
    start: 0,
    end: 1 << 20,
};
const MAX_RANGES: usize = 128;
/// E820 types of the PVH door: tables of firmware, and what it keeps for itself.
const ACPI_KINDS: [u32; 2] = [3, 4];

const CONFIG: BootloaderConfig = {
    let mut config = BootloaderConfig::new_default();
    config.mappings.physical_memory = Some(Mapping::FixedAddress(PHYSICAL_OFFSET));
    config
};
bootloader_api::entry_point!(kernel_main, config = &CONFIG);

/// The memory of the machine.
pub struct Memory {
    usable: [PhysicalRange; MAX_RANGES],
    count: usize,
    end: u64,
}

impl Memory {
    /// What `info` leaves free.
    pub fn read(info: &BootInfo) -> Memory {
        let mut memory = Memory {
            usable: [PhysicalRange::default(); MAX_RANGES],
            count: 0,
            end: 0,
        };
        let mut taken = [LOW_MEMORY, image(), module(info)];
        taken.sort_unstable_by_key(|range| range.start);
        for region in info.memory_regions.iter() {
            let is_usable = region.kind == MemoryRegionKind::Usable;
            if is_usable {
                memory.add_around(
                    PhysicalRange {
                        start: region.start,
                        end: region.end,
                    },
                    &taken,
                );
            }
            if is_usable || is_acpi(region.kind) {
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
        match self.usable.get_mut(self.count) {
            Some(slot) => {
                *slot = PhysicalRange { start, end };
                self.count += 1;
            }
            None => log!("memory: no room to remember {start:#x}-{end:#x}, it stays unused"),
        }
    }
}

fn is_acpi(kind: MemoryRegionKind) -> bool {
    matches!(kind, MemoryRegionKind::UnknownBios(kind) if ACPI_KINDS.contains(&kind))
}

/// Where the PVH door loads the image. (Through the other door the map says it.)
fn image() -> PhysicalRange {
    let image = kernel_map::image();
    PhysicalRange {
        start: image.start - KERNEL_BASE,
        end: image.end - KERNEL_BASE,
    }
}

fn module(info: &BootInfo) -> PhysicalRange {
    let start = info
        .ramdisk_addr
        .into_option()
        .map_or(0, |address| address - PHYSICAL_OFFSET);
    PhysicalRange {
        start,
        end: start + info.ramdisk_len,
    }
}
