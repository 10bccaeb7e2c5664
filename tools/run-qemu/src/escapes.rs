//! Takes escape sequences for terminals out of a serial line.
//!
//! UEFI's firmware clears the screen of whoever looks, several times, before the kernel says its first word.
//!
//! Source: ECMA-48, section 5.4: ESC `[`, then bytes up to one from `@` to `~`.

const ESCAPE: u8 = 0x1b;

/// Where in a sequence the stream is.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Plain,
    Escape,
    Sequence,
}

/// A stream's filter.
#[derive(Default)]
pub struct Escapes {
    state: State,
}

impl Escapes {
    /// What of the next bytes is text. A sequence may go on in the bytes after them.
    pub fn strip(&mut self, bytes: &[u8]) -> Vec<u8> {
        bytes.iter().copied().filter(|byte| self.is_text(*byte)).collect()
    }

    fn is_text(&mut self, byte: u8) -> bool {
        let (next, is_text) = match (self.state, byte) {
            (State::Plain | State::Escape, ESCAPE) => (State::Escape, false),
            (State::Plain, _) => (State::Plain, true),
            (State::Escape, b'[') => (State::Sequence, false),
            (State::Escape, _) => (State::Plain, true),
            (State::Sequence, b'@'..=b'~') => (State::Plain, false),
            (State::Sequence, _) => (State::Sequence, false),
        };
        self.state = next;
        is_text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_left_wherever_the_stream_is_cut() {
        let stream = b"\x1b[2J\x1b[01;01H\x1b[=3hone \x1b[0mtwo\r\nlast [3] \x1b\x1b[1mz";
        for cut in 0..=stream.len() {
            let mut escapes = Escapes::default();
            let mut text = escapes.strip(&stream[..cut]);
            text.extend(escapes.strip(&stream[cut..]));
            assert_eq!(text, b"one two\r\nlast [3] z", "cut at {cut}");
        }
    }
}
