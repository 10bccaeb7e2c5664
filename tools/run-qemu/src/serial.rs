//! Reading QEMU's two streams while it runs, so that it never waits for us.

use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

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
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        if echo {
            show(&buffer[..count]);
        }
        pending.extend_from_slice(&buffer[..count]);
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
    fn lines_lose_their_ends_and_the_last_needs_none() {
        let input: &'static [u8] = b"one\r\ntwo\n\nbad \xff byte\nlast";
        let got: Vec<String> = lines(Some(input), false).iter().collect();
        assert_eq!(got, ["one", "two", "", "bad \u{fffd} byte", "last"]);
    }
}
