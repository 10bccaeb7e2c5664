//! The boot module: a ustar archive with the programs, put into memory by the loader.
//!
//! Source: POSIX.1-2017, pax, "ustar Interchange Format".

use core::str;

use bootloader_api::BootInfo;

use crate::log;
use crate::sync::Once;

const BLOCK: usize = 512;

static MODULE: Once<&'static [u8]> = Once::new();

/// Remembers where the module lies. Its memory is given to no one.
pub fn keep(info: &BootInfo) {
    let module: &[u8] = match info.ramdisk_addr.into_option() {
        // SAFETY: the boot door says that the module lies there, mapped; the memory map leaves it out, so
        // nobody writes it.
        Some(address) => unsafe {
            core::slice::from_raw_parts(address as *const u8, info.ramdisk_len as usize)
        },
        None => &[],
    };
    log!("module: {} bytes", module.len());
    MODULE.call_once(|| module);
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
