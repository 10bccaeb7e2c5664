//! I/O ports, for drivers in user space that were given them.

use x86_64::instructions::port::Port;

/// Reads 1, 2 or 4 bytes.
pub fn read(port: u16, width: u64) -> u32 {
    // SAFETY: whoever holds the machine has given these ports to the driver that asks, and answers for what its device
    // does with them.
    unsafe {
        match width {
            1 => Port::<u8>::new(port).read().into(),
            2 => Port::<u16>::new(port).read().into(),
            _ => Port::<u32>::new(port).read(),
        }
    }
}

/// Writes 1, 2 or 4 bytes, the value's lowest.
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
