//! The serial line: COM1, polled. Whole lines come out in one piece.
//!
//! Programs print through the kernel until a console server owns the port.

use core::fmt::{self, Write};

use crate::cpu::ports::{read_byte, write_byte};
use crate::sync::{Lock, rank};

const COM1: u16 = 0x3f8;
const LINE_STATUS: u16 = COM1 + 5;
const TRANSMITTER_EMPTY: u8 = 0x20;

/// The port. Guarded by [`CONSOLE`], but for the last words of a panic.
struct Serial;

static CONSOLE: Lock<Serial, { rank::CONSOLE }> = Lock::new(Serial);

/// 115,200 baud, 8 bits, no parity, FIFO on.
pub fn initialize() {
    for (offset, value) in [(1, 0), (3, 0x80), (0, 1), (1, 0), (3, 3), (2, 0xc7), (4, 3)] {
        write_byte(COM1 + offset, value);
    }
}

/// Prints text in one piece.
pub fn print(text: fmt::Arguments<'_>) {
    // A serial line does not fail, and there is no one to tell.
    let _ = CONSOLE.lock().write_fmt(text);
}

/// Prints bytes in one piece, as a program sent them.
pub fn print_bytes(bytes: &[u8]) {
    let _guard = CONSOLE.lock();
    bytes.iter().for_each(|byte| send(*byte));
}

/// Prints without waiting for the lock, which the panicking CPU may hold itself.
pub fn print_last_words(text: fmt::Arguments<'_>) {
    let _ = Serial.write_fmt(text);
}

impl Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(send);
        Ok(())
    }
}

fn send(byte: u8) {
    if byte == b'\n' {
        send_raw(b'\r');
    }
    send_raw(byte);
}

fn send_raw(byte: u8) {
    while read_byte(LINE_STATUS) & TRANSMITTER_EMPTY == 0 {
        core::hint::spin_loop();
    }
    write_byte(COM1, byte);
}

/// Prints a line of the kernel's log.
#[macro_export]
macro_rules! log {
    ($($argument:tt)*) => {
        $crate::console::print(format_args!("{}\n", format_args!($($argument)*)))
    };
}
