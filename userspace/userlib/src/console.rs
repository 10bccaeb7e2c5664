//! Printing. A line goes to the kernel in one call, so lines of different threads never mix.

use core::fmt::{self, Write};

use abi::syscall::MAX_CONSOLE_BYTES;
use abi::{Call, Registers};

use crate::{start, syscall};

const CAPACITY: usize = MAX_CONSOLE_BYTES as usize;

/// Prints formatted text in one piece, up to 512 bytes; longer text goes in several.
pub fn print(arguments: fmt::Arguments<'_>) {
    let mut line = Line {
        bytes: [0; CAPACITY],
        length: 0,
    };
    // A `Line` takes everything, so only a `Display` of the program itself can fail: its text ends there.
    let _ = line.write_fmt(arguments);
    line.flush();
}

struct Line {
    bytes: [u8; CAPACITY],
    length: usize,
}

impl Line {
    fn flush(&mut self) {
        if self.length > 0 {
            let [console, address] = [start::info().console.0, self.bytes.as_ptr() as u64];
            let registers = Registers::of(&[console, address, self.length as u64]);
            // A program without a console prints into the void: there is nobody to tell.
            let _ = syscall::ask(Call::ConsoleWrite, &registers);
        }
        self.length = 0;
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if self.length == CAPACITY {
                self.flush();
            }
            self.bytes[self.length] = byte;
            self.length += 1;
        }
        Ok(())
    }
}

/// Prints formatted text without ending the line.
#[macro_export]
macro_rules! print {
    ($($argument:tt)*) => {
        $crate::console::print(::core::format_args!($($argument)*))
    };
}

/// Prints a line. Lines up to 512 bytes never mix with those of others.
#[macro_export]
macro_rules! println {
    () => {
        $crate::print!("\n")
    };
    ($format:literal $($argument:tt)*) => {
        $crate::print!("{}\n", ::core::format_args!($format $($argument)*))
    };
}
