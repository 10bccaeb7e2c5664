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
use crate::memory::{MAPPED_AT_BOOT, physical_pointer};
use crate::sync::Once;

static TOPOLOGY: Once<Topology> = Once::new();
static TABLES: Once<FirmwareTables<'static>> = Once::new();

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
    let tables = *TABLES.call_once(|| tables);
    check_local_apic();
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

/// Where the APICs have their registers.
pub fn devices() -> impl Iterator<Item = u64> {
    let others = madt().into_iter().flat_map(|madt| madt.io_apics()).flatten();
    others.map(|entry| entry.address).chain([local_apic_address()])
}

/// The CPU knows where its APIC is; a MADT that says something else is worth a word.
fn check_local_apic() {
    let told = madt().and_then(|madt| madt.local_apic_address().ok());
    let is = local_apic_address();
    if let Some(told) = told.filter(|told| *told != is) {
        log!("firmware: MADT: local APIC at {told:#x}, CPU: at {is:#x}");
    }
}

/// The table of CPUs and interrupts, if there is a sound one.
pub fn madt() -> Option<Madt<'static>> {
    Madt::new(TABLES.get()?.madt?).ok()
}

/// The line of an interrupt.
pub fn line_of(interrupt: u32) -> Option<Line> {
    madt()?.line_of(interrupt).ok()
}

/// Whether there are 8259s that have to be silenced; so if firmware says nothing.
pub fn has_8259() -> bool {
    let fields = TABLES.get().and_then(|tables| fields(tables.madt?));
    fields.is_none_or(acpi::sdt::madt::Madt::supports_8259)
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
