//! The boot module: an archive with the programs, put into memory by the loader.

use core::ops::Range;

use boot_files::{Archive, ArchiveError};
use bootloader_api::BootInfo;

use super::options;
use crate::log;
use crate::memory::{PHYSICAL_OFFSET, kernel_map, physical_pointer};
use crate::sync::Once;

/// The file for doors that bring no command line of their own.
const COMMAND_LINE: &str = "cmdline";

static MODULE: Once<&'static [u8]> = Once::new();

/// Remembers where the module lies, and the command line in it, if there is one and the door had none. The
/// module's memory is given to no one.
pub fn keep(info: &BootInfo) {
    let module: &[u8] = match info.ramdisk_addr.into_option() {
        Some(address) => {
            // Where the door has mapped it, it does not stay: in the physical map it does.
            let start = physical_pointer(kernel_map::physical_of(address));
            // SAFETY: the boot door says that the module lies there, in frames one behind the other; the
            // memory map leaves it out, so nobody writes it.
            unsafe { core::slice::from_raw_parts(start, info.ramdisk_len as usize) }
        }
        None => &[],
    };
    log!("module: {} bytes", module.len());
    MODULE.call_once(|| module);
    if let Ok(line) = find(COMMAND_LINE) {
        options::keep(line);
    }
}

/// The memory of the module.
pub fn place() -> Range<u64> {
    match boot_module() {
        [] => 0..0,
        module => {
            let start = module.as_ptr() as u64 - PHYSICAL_OFFSET;
            start..start + module.len() as u64
        }
    }
}

/// The whole archive; empty without one.
pub fn boot_module() -> &'static [u8] {
    MODULE.get().copied().unwrap_or(&[])
}

/// A file of the archive, by its whole name.
pub fn find(name: &str) -> Result<&'static [u8], ArchiveError> {
    Archive::new(boot_module()).find(name)
}
