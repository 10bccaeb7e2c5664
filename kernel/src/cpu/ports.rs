//! I/O ports: the kernel's own, and for drivers in user space those that they were given.

use x86_64::instructions::port::Port;

/// Reads 1, 2 or 4 bytes.
#[inline(always)]
pub fn read(port: u16, width: u64) -> u32 {
    // SAFETY: none of the kernel's own ports has an effect on memory. Of all others whoever holds the machine has given
    // these to the driver that asks, and answers for what its device does with them.
    unsafe {
        match width {
            1 => Port::<u8>::new(port).read().into(),
            2 => Port::<u16>::new(port).read().into(),
            _ => Port::<u32>::new(port).read(),
        }
    }
}

/// Writes 1, 2 or 4 bytes, the value's lowest.
#[inline(always)]
pub fn write(port: u16, width: u64, value: u32) {
    // SAFETY: as for `read`.
    unsafe {
        match width {
            1 => Port::<u8>::new(port).write(value as u8),
            2 => Port::<u16>::new(port).write(value as u16),
            _ => Port::<u32>::new(port).write(value),
        }
    }
}

/// Reads a byte.
pub fn read_byte(port: u16) -> u8 {
    read(port, 1) as u8
}

/// Writes a byte.
pub fn write_byte(port: u16, value: u8) {
    write(port, 1, value.into());
}
