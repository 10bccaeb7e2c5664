//! Finds the firmware tables; what they mean is `percpu_core`'s business.
//!
//! The acpi crate follows the pointers from the RSDP to the tables. Its own readers of SRAT and SLIT are not
//! used: the tables go on as plain bytes.

use core::ptr::NonNull;
use core::slice;

use acpi::sdt::Signature;
use acpi::{AcpiTables, Handler, PciAddress, RawPhysicalMapping};
use bootloader_api::BootInfo;
use percpu_core::{FirmwareTables, Madt, Topology};

use super::options::{Builder, options};
use crate::cpu::{apic, node};
use crate::log;
use crate::memory::physical_pointer;
use crate::sync::Once;

/// No table that describes a machine of 256 CPUs comes near this.
const MAX_TABLE: usize = 1 << 20;

static TOPOLOGY: Once<Topology> = Once::new();

/// Reads CPUs, nodes and distances. Whatever firmware says, the result is usable.
pub fn read(info: &BootInfo) -> &'static Topology {
    let tables = info
        .rsdp_addr
        .into_option()
        .map_or_else(FirmwareTables::default, find_tables);
    let (mode, boot_cpu) = apic::choose();
    check_local_apic(&tables);
    let topology = TOPOLOGY.call_once(|| {
        let mut topology = Topology::empty();
        topology.read(boot_cpu, mode, &tables, |complaint| log!("firmware: {complaint}"));
        if options().percpu_alloc == Builder::Up {
            log!("firmware: percpu_alloc=up: only the boot CPU is used");
            // Without the list of CPUs only the running one is known; what else is wrong has been told.
            let tables = FirmwareTables { madt: None, ..tables };
            topology.read(boot_cpu, mode, &tables, |_| ());
        }
        topology
    });
    node::remember(topology);
    topology
}

/// The machine's CPUs and nodes.
pub fn topology() -> &'static Topology {
    TOPOLOGY
        .get()
        .expect("the topology is read before anyone asks for it")
}

/// Physical address of the local APIC's registers.
pub fn local_apic_address() -> u64 {
    apic::access().page()
}

/// The CPU knows where its APIC is; a MADT that says something else is worth a word.
fn check_local_apic(tables: &FirmwareTables<'_>) {
    let told = tables.madt.and_then(|bytes| Madt::new(bytes).ok());
    match told.map(|madt| madt.local_apic_address()) {
        Some(Ok(address)) if address != local_apic_address() => {
            log!(
                "firmware: MADT: local APIC at {address:#x}, CPU: at {:#x}",
                local_apic_address()
            )
        }
        _ => {}
    }
}

fn find_tables(rsdp: u64) -> FirmwareTables<'static> {
    let mut found = FirmwareTables::default();
    // SAFETY: the boot door says that the RSDP lies there.
    let tables = match unsafe { AcpiTables::from_rsdp(PhysicalMap, rsdp as usize) } {
        Ok(tables) => tables,
        Err(error) => {
            log!("firmware: RSDP at {rsdp:#x} unusable: {error:?}");
            return found;
        }
    };
    for (address, header) in tables.table_headers() {
        let slot = match header.signature {
            Signature::MADT => &mut found.madt,
            Signature::SRAT => &mut found.srat,
            Signature::SLIT => &mut found.slit,
            _ => continue,
        };
        if slot.is_some() {
            log!("firmware: a second {}: not used", header.signature);
            continue;
        }
        let length = (header.length as usize).min(MAX_TABLE);
        // SAFETY: firmware's table, in memory that the physical map covers and nobody writes; its length is
        // firmware's word, but no more than the limit. The reader checks every byte of it.
        *slot = Some(unsafe { slice::from_raw_parts(physical_pointer(address as u64), length) });
    }
    found
}

/// The acpi crate's way to memory.
#[derive(Clone, Copy)]
struct PhysicalMap;

/// The crate asks for these only when it runs firmware's byte code, which is not even compiled in.
macro_rules! never_asked_for {
    ($($name:ident($($argument:ty),*) $(-> $result:ty)?;)+) => {
        $(fn $name(&self, $(_: $argument),*) $(-> $result)? {
            unreachable!("only firmware's byte code asks for this")
        })+
    };
}

impl Handler for PhysicalMap {
    unsafe fn map_physical_region<T>(&self, physical: usize, size: usize) -> RawPhysicalMapping<T> {
        let start = NonNull::new(physical_pointer(physical as u64).cast());
        let start = start.expect("the physical map does not reach address 0");
        // SAFETY: everything below 4 GiB is mapped for good; nothing is ever unmapped.
        unsafe { RawPhysicalMapping::new(physical, start, size, size) }
    }

    unsafe fn unmap_physical_region<T>(&self, _: RawPhysicalMapping<T>) {}

    never_asked_for! {
        read_u8(usize) -> u8;
        read_u16(usize) -> u16;
        read_u32(usize) -> u32;
        read_u64(usize) -> u64;
        write_u8(usize, u8);
        write_u16(usize, u16);
        write_u32(usize, u32);
        write_u64(usize, u64);
        read_io_u8(u16) -> u8;
        read_io_u16(u16) -> u16;
        read_io_u32(u16) -> u32;
        write_io_u8(u16, u8);
        write_io_u16(u16, u16);
        write_io_u32(u16, u32);
        read_pci_u8(PciAddress, u16) -> u8;
        read_pci_u16(PciAddress, u16) -> u16;
        read_pci_u32(PciAddress, u16) -> u32;
        write_pci_u8(PciAddress, u16, u8);
        write_pci_u16(PciAddress, u16, u16);
        write_pci_u32(PciAddress, u16, u32);
        nanos_since_boot() -> u64;
        stall(u64);
        sleep(u64);
    }
}
