//! The boot module: a ustar archive with the programs, put into memory by the loader.
//!
//! Source: POSIX.1-2017, pax, "ustar Interchange Format".

use core::str;

use bootloader_api::BootInfo;
use percpu_core::PAGE_SIZE;

use super::options;
use crate::log;
use crate::memory::{PHYSICAL_OFFSET, PhysicalRange, kernel_map, physical_pointer};
use crate::sync::Once;

const BLOCK: usize = 512;
/// The file for doors that bring no command line of their own.
const COMMAND_LINE: &str = "cmdline";

static MODULE: Once<&'static [u8]> = Once::new();

/// Remembers where the module lies, and the command line in it, if there is one and the door had none. The
/// module's memory is given to no one.
pub fn keep(info: &BootInfo) {
    let module: &[u8] = match info.ramdisk_addr.into_option() {
        Some(address) => {
            // Where the door has mapped it, it does not stay: in the physical map it does.
            let start = physical_pointer(kernel_map::physical_of(address) + address % PAGE_SIZE);
            // SAFETY: the boot door says that the module lies there, in frames one behind the other; the
            // memory map leaves it out, so nobody writes it.
            unsafe { core::slice::from_raw_parts(start, info.ramdisk_len as usize) }
        }
        None => &[],
    };
    log!("module: {} bytes", module.len());
    MODULE.call_once(|| module);
    if let Some(line) = find(COMMAND_LINE) {
        options::keep(line);
    }
}

/// The memory of the module.
pub fn place() -> PhysicalRange {
    let module = boot_module();
    let start = (module.as_ptr() as u64).wrapping_sub(PHYSICAL_OFFSET);
    match module.is_empty() {
        true => PhysicalRange::default(),
        false => PhysicalRange {
            start,
            end: start + module.len() as u64,
        },
    }
}

/// The whole archive; empty without one.
#[must_use]
pub fn boot_module() -> &'static [u8] {
    MODULE.get().copied().unwrap_or(&[])
}

/// A plain file of the archive, by its whole name.
#[must_use]
pub fn find(name: &str) -> Option<&'static [u8]> {
    let mut rest = boot_module();
    loop {
        let (header, behind) = rest.split_at_checked(BLOCK)?;
        if header.get(257..262)? != b"ustar" {
            return None;
        }
        let size = octal(header.get(124..136)?)?;
        let is_file = matches!(header.get(156)?, b'0' | 0);
        if is_file && text(header.get(..100)?) == name.as_bytes() && text(header.get(345..500)?).is_empty() {
            return behind.get(..size);
        }
        rest = behind.get(size.checked_next_multiple_of(BLOCK)?..)?;
    }
}

fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or(field)
}

fn octal(field: &[u8]) -> Option<usize> {
    usize::from_str_radix(str::from_utf8(text(field)).ok()?.trim(), 8).ok()
}
