//! The command line as the boot door found it, kept where no one else's memory is.

use core::str;

use crate::sync::Once;

const MAX_LENGTH: usize = 2048;

struct Line {
    bytes: [u8; MAX_LENGTH],
    /// How many of them are read: whole words.
    length: usize,
    /// How many there were.
    said: usize,
}

static LINE: Once<Line> = Once::new();

/// Keeps the command line: where it lies now is no one's later. Called by the boot door, if at all.
pub fn keep(text: &[u8]) {
    LINE.call_once(|| {
        let mut line = Line {
            bytes: [0; MAX_LENGTH],
            length: whole_words(text),
            said: text.len(),
        };
        line.bytes[..line.length].copy_from_slice(&text[..line.length]);
        line
    });
}

/// Bytes of the words that fit, as far as they are UTF-8. Half a word could be another one.
fn whole_words(text: &[u8]) -> usize {
    let valid = match str::from_utf8(text) {
        Ok(_) => text.len(),
        Err(error) => error.valid_up_to(),
    };
    match valid {
        all if all == text.len() && all <= MAX_LENGTH => all,
        some => {
            let fitting = &text[..some.min(MAX_LENGTH)];
            fitting.iter().rposition(u8::is_ascii_whitespace).unwrap_or(0)
        }
    }
}

/// The command line: of one that is too long, or is not UTF-8, the words in front of that place.
#[must_use]
pub fn command_line() -> &'static str {
    let bytes = LINE.get().map_or(&[][..], |line| &line.bytes[..line.length]);
    str::from_utf8(bytes).unwrap_or("")
}

/// How many bytes are read of how many, if it is not all.
pub fn cut() -> Option<(usize, usize)> {
    let line = LINE.get()?;
    (line.length < line.said).then_some((line.length, line.said))
}
