//! Reaches the firmware tables; how they are found and what they mean is `percpu_core`'s business.
//!
//! No handler of faults is there yet: every address of firmware's is checked before it is followed. The acpi crate would
//! follow them unproven, so only its types are used, for fields of tables that are proven.

mod spoil;

use core::slice;

use bootloader_api::BootInfo;
use percpu_core::{FirmwareTables, Line, Madt, Topology};

use super::options::{Builder, options};
use crate::cpu::{apic, node};
use crate::log;
use crate::memory::kernel_map::LARGE_PAGE;
use crate::memory::{MAPPED_AT_BOOT, physical_pointer};
use crate::sync::Once;

static TOPOLOGY: Once<Topology> = Once::new();
static HAS_8259: Once<bool> = Once::new();
static MADT: Once<Option<Madt<'static>>> = Once::new();

/// Reads CPUs, nodes and distances. Whatever firmware says, the result is usable.
pub fn read(info: &BootInfo) -> &'static Topology {
    let tables = info
        .rsdp_addr
        .into_option()
        .map(|rsdp| spoil::spoiled(rsdp, options().root_test))
        .map_or_else(FirmwareTables::default, |rsdp| {
            FirmwareTables::find(rsdp, memory, |complaint| log!("firmware: {complaint}"))
        });
    let (mode, boot_cpu) = apic::choose();
    check_local_apic(&tables);
    MADT.call_once(|| tables.madt.and_then(|bytes| Madt::new(bytes).ok()));
    HAS_8259.call_once(|| {
        tables
            .madt
            .and_then(fields)
            .is_none_or(acpi::sdt::madt::Madt::supports_8259)
    });
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

/// Whether an APIC has its registers in this page of 2 MiB.
pub fn has_device(large_page: u64) -> bool {
    let is_there = |address: u64| address / LARGE_PAGE == large_page;
    let others = madt().into_iter().flat_map(|madt| madt.io_apics()).flatten();
    is_there(local_apic_address()) || { others }.any(|entry| is_there(entry.address))
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

/// The table of CPUs and interrupts, if there is a sound one.
pub fn madt() -> Option<Madt<'static>> {
    *MADT.get()?
}

/// The line of an interrupt.
pub fn line_of(interrupt: u32) -> Option<Line> {
    madt()?.line_of(interrupt).ok()
}

/// Whether there are 8259s that have to be silenced; so if firmware says nothing.
pub fn has_8259() -> bool {
    HAS_8259.get().copied().unwrap_or(true)
}

/// The fields in front of a MADT's entries, if it is one.
fn fields(madt: &'static [u8]) -> Option<&'static acpi::sdt::madt::Madt> {
    Madt::new(madt).ok()?;
    let fields = madt.as_ptr().cast::<acpi::sdt::madt::Madt>();
    // SAFETY: `Madt::new` proves that the table has all of them; the type is packed, so any address is aligned, and
    // any bytes are numbers. It is not moved, as its own iterator wants.
    (madt.len() >= size_of::<acpi::sdt::madt::Madt>()).then(|| unsafe { &*fields })
}

/// As many bytes at a physical address, if the boot door's page table maps them: that is the one in use, and
/// nothing here would survive a fault.
fn memory(address: u64, length: usize) -> Option<&'static [u8]> {
    let end = address.checked_add(length as u64)?;
    if end > MAPPED_AT_BOOT {
        return None;
    }
    // SAFETY: both doors map this to the physical map, for good. Nobody writes to firmware's tables; what is no
    // table reads as something, and its reader checks every byte.
    Some(unsafe { slice::from_raw_parts(physical_pointer(address), length) })
}
