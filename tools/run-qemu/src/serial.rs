//! Reading QEMU's two streams while it runs, so that it never waits for us.

use std::io::{Read, Write};
use std::mem;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use crate::escapes::Escapes;
use crate::facts;

/// The serial line, cut into lines. The channel closes when QEMU closes the stream.
pub fn lines(stream: Option<impl Read + Send + 'static>, echo: bool) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        if let Some(stream) = stream {
            forward(stream, echo, &sender);
        }
    });
    receiver
}

/// Everything a stream says until it closes.
pub fn text(stream: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // Half of a complaint is better than none.
            let _ = stream.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn forward(mut stream: impl Read, echo: bool, sender: &Sender<String>) {
    let mut buffer = [0; 4096];
    let mut pending = Vec::new();
    let mut shown = Shown::default();
    let mut escapes = Escapes::default();
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        let text = escapes.strip(&buffer[..count]);
        if echo {
            show(&shown.of(&text));
        }
        pending.extend_from_slice(&text);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            give(sender, &line);
        }
    }
    if !pending.is_empty() {
        give(sender, &pending);
    }
}

fn give(sender: &Sender<String>, line: &[u8]) {
    let line = String::from_utf8_lossy(line);
    // Nobody listens any more when the session was dropped.
    let _ = sender.send(line.trim_end_matches(['\n', '\r']).to_string());
}

/// What of the stream people see: all but lines that are meant for programs.
#[derive(Default)]
struct Shown {
    /// The line's beginning, as long as it may still turn out to be either.
    undecided: Vec<u8>,
    decision: Decision,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Decision {
    #[default]
    Open,
    Show,
    Hide,
}

impl Shown {
    fn of(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut shown = Vec::with_capacity(bytes.len());
        for byte in bytes {
            match self.decision {
                Decision::Show => shown.push(*byte),
                Decision::Hide => {}
                Decision::Open => self.decide(*byte, &mut shown),
            }
            if *byte == b'\n' {
                self.decision = Decision::Open;
            }
        }
        shown
    }

    fn decide(&mut self, byte: u8, shown: &mut Vec<u8>) {
        self.undecided.push(byte);
        let prefix = facts::PREFIX.as_bytes();
        if self.undecided == prefix {
            self.undecided.clear();
            self.decision = Decision::Hide;
        } else if !prefix.starts_with(&self.undecided) {
            shown.append(&mut mem::take(&mut self.undecided));
            self.decision = Decision::Show;
        }
    }
}

/// Characters appear as they come: a machine that hangs in the middle of a line shows where.
fn show(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    // A closed standard output (`| head`) does not end the machine.
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_programs_is_not_shown() {
        let said = b"facs\nfacts: cpu {}\r\nfacts\nfacts : x\n facts: y\nfacts: z\nfa";
        for piece in 1..said.len() {
            let mut shown = Shown::default();
            let seen: Vec<u8> = said.chunks(piece).flat_map(|bytes| shown.of(bytes)).collect();
            assert_eq!(
                seen, b"facs\nfacts\nfacts : x\n facts: y\n",
                "in pieces of {piece}"
            );
        }
    }

    #[test]
    fn lines_lose_their_ends_and_the_last_needs_none() {
        let input: &'static [u8] = b"one\r\ntwo\n\nbad \xff byte\nlast";
        let got: Vec<String> = lines(Some(input), false).iter().collect();
        assert_eq!(got, ["one", "two", "", "bad \u{fffd} byte", "last"]);
    }
}
