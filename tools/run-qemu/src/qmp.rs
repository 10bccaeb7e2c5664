//! QEMU's control channel (QMP): JSON lines over a socket on which QEMU calls us.
//!
//! We listen and QEMU connects before the first guest instruction, so no event can be missed.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::status::{Failure, Result};

/// QEMU answers within milliseconds, unless the host is very busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// An open control channel.
pub struct Qmp {
    reader: BufReader<UnixStream>,
    /// Why the machine stopped, as far as QEMU has told.
    shutdowns: Vec<String>,
}

impl Qmp {
    /// Take QEMU's call and shake hands. `still_there` is asked while nobody calls.
    pub fn accept(listener: &UnixListener, mut still_there: impl FnMut() -> bool) -> Result<Self> {
        let lost = |error: std::io::Error| Failure::qemu(format!("QEMU's control channel: {error}"));
        listener.set_nonblocking(true).map_err(lost)?;
        let mut tries = PATIENCE.as_millis() / 5;
        let stream = loop {
            match listener.accept() {
                Ok((stream, _)) => break stream,
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return Err(lost(error)),
                Err(_) if tries == 0 => return Err(Failure::qemu("QEMU does not open its control channel")),
                Err(_) if !still_there() => return Err(Failure::qemu("QEMU ended at once")),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
            tries -= 1;
        };
        stream.set_nonblocking(false).map_err(lost)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(lost)?;
        let mut qmp = Self {
            reader: BufReader::new(stream),
            shutdowns: Vec::new(),
        };
        qmp.receive()?;
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Run one command.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let request = json!({ "execute": command, "arguments": arguments });
        let sent = writeln!(self.reader.get_mut(), "{request}");
        sent.map_err(|error| Failure::qemu(format!("cannot send `{command}` to QEMU: {error}")))?;
        loop {
            let answer = self.receive()?;
            if let Some(result) = answer.get("return") {
                return Ok(result.clone());
            }
            if let Some(error) = answer.get("error") {
                return Err(Failure::qemu(format!(
                    "QEMU refuses `{command}`: {}",
                    error["desc"]
                )));
            }
        }
    }

    /// Run one command of the monitor for people.
    pub fn monitor(&mut self, line: &str) -> Result<String> {
        let answer = self.execute("human-monitor-command", json!({ "command-line": line }))?;
        Ok(answer.as_str().unwrap_or_default().to_string())
    }

    /// After QEMU's end: why the machine stopped, oldest first.
    pub fn shutdowns(mut self) -> Vec<String> {
        while self.receive().is_ok() {}
        self.shutdowns
    }

    fn receive(&mut self) -> Result<Value> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => return Err(Failure::qemu("QEMU closed its control channel")),
            Ok(_) => {}
            Err(error) => return Err(Failure::qemu(format!("QEMU's control channel: {error}"))),
        }
        let message: Value = serde_json::from_str(&line)
            .map_err(|error| Failure::qemu(format!("QEMU's control channel says `{line}`: {error}")))?;
        if message["event"] == "SHUTDOWN" {
            self.shutdowns
                .push(message["data"]["reason"].as_str().unwrap_or_default().to_string());
        }
        Ok(message)
    }
}
