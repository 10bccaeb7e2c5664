//! The command line as the boot door found it, kept where no one else's memory is.

use arrayvec::ArrayString;

use crate::sync::Once;

const MAX_LENGTH: usize = 2048;

struct Line {
    words: ArrayString<MAX_LENGTH>,
    /// How many bytes there were.
    said: usize,
}

static LINE: Once<Line> = Once::new();

/// Keeps the command line: where it lies now is no one's later. Called by the boot door, if at all.
pub fn keep(text: &[u8]) {
    LINE.call_once(|| Line {
        words: ArrayString::from(whole_words(text)).unwrap_or_default(),
        said: text.len(),
    });
}

/// The words that fit, as far as they are UTF-8. Half a word could be another one.
fn whole_words(text: &[u8]) -> &str {
    let valid = text.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    if valid.len() == text.len() && valid.len() <= MAX_LENGTH {
        return valid;
    }
    let fitting = &valid.as_bytes()[..valid.len().min(MAX_LENGTH)];
    let end = fitting.iter().rposition(u8::is_ascii_whitespace);
    &valid[..end.unwrap_or(0)]
}

/// The command line: of one that is too long, or is not UTF-8, the words in front of that place.
pub fn command_line() -> &'static str {
    LINE.get().map_or("", |line| &line.words)
}

/// How many bytes are read of how many, if it is not all.
pub fn cut() -> Option<(usize, usize)> {
    let line = LINE.get()?;
    (line.words.len() < line.said).then_some((line.words.len(), line.said))
}
