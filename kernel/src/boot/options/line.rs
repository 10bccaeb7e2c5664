//! The command line as the boot door found it, kept where no one else's memory is.

use core::str;

use crate::sync::Once;

const MAX_LENGTH: usize = 2048;

struct Line {
    bytes: [u8; MAX_LENGTH],
    length: usize,
}

static LINE: Once<Line> = Once::new();

/// Keeps the command line: where it lies now is no one's later. Called by the boot door, if at all.
pub fn keep(text: &[u8]) {
    LINE.call_once(|| {
        let mut line = Line {
            bytes: [0; MAX_LENGTH],
            length: text.len().min(MAX_LENGTH),
        };
        line.bytes[..line.length].copy_from_slice(&text[..line.length]);
        line
    });
}

/// The command line, up to the first byte that is not UTF-8.
#[must_use]
pub fn command_line() -> &'static str {
    let bytes = LINE.get().map_or(&[][..], |line| &line.bytes[..line.length]);
    str::from_utf8(bytes).unwrap_or_else(|error| str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or(""))
}
