//! One running machine: its serial line, its control channel, and its end.

use std::io;
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::child::Guard;
use crate::machine::{BootFiles, Machine};
use crate::qemu::Qemu;
use crate::qmp::Qmp;
use crate::serial;
use crate::status::{Failure, Result, Status};
use crate::transcript::{Transcript, judge};

/// How long QEMU may take from its last word to its end.
const FAREWELL: Duration = Duration::from_secs(10);

/// A machine under way. Dropping it ends QEMU.
pub struct Session {
    child: Guard,
    qmp: Qmp,
    serial: Receiver<String>,
    complaints: JoinHandle<String>,
    lines: Vec<String>,
    deadline: Option<Instant>,
    scratch: TempDir,
}

/// How to watch a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// Show the serial line while it comes.
    pub echo: bool,
    /// End the machine after this time, counted from QEMU's start.
    pub time_limit: Option<Duration>,
}

impl Session {
    /// Start QEMU, open its control channel, then let the guest run (a debugger lets it run itself).
    pub fn start(qemu: &Qemu, machine: &Machine, boot: &BootFiles, watch: Watch) -> Result<Self> {
        let wrong =
            |error: io::Error| Failure::qemu(format!("cannot prepare QEMU's control channel: {error}"));
        let scratch = tempfile::Builder::new()
            .prefix("run-qemu")
            .tempdir()
            .map_err(wrong)?;
        let socket = scratch.path().join("qmp");
        let listener = UnixListener::bind(&socket).map_err(wrong)?;
        let mut command = qemu.command();
        command
            .args(machine.arguments(boot)?)
            .arg("-S")
            .arg("-qmp")
            .arg(format!("unix:{}", socket.display()));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let cannot = |error| Failure::qemu(format!("cannot start {}: {error}", qemu.program()));
        let mut child = Guard(command.spawn().map_err(cannot)?);
        let deadline = watch.time_limit.map(|limit| Instant::now() + limit);
        let serial = serial::lines(child.0.stdout.take(), watch.echo);
        let complaints = serial::text(child.0.stderr.take());
        match open(&listener, &mut child, !machine.gdb) {
            Ok(qmp) => Ok(Self {
                child,
                qmp,
                serial,
                complaints,
                lines: Vec::new(),
                deadline,
                scratch,
            }),
            Err(failure) => {
                drop(child);
                Err(explained(failure, &complaints.join().unwrap_or_default()))
            }
        }
    }

    /// Wait for a line that contains this text.
    pub fn wait_for(&mut self, text: &str) -> Result<String> {
        loop {
            match self.next_line() {
                Ok(line) if line.contains(text) => return Ok(line),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Failure::qemu(format!(
                        "the time was over before the guest said `{text}`"
                    )));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::qemu(format!("the guest ended before it said `{text}`")));
                }
            }
        }
    }

    /// What the guest has said so far, as far as somebody waited for it.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Ask QEMU's monitor for people, for example `info registers -a`.
    pub fn monitor(&mut self, line: &str) -> Result<String> {
        self.qmp.monitor(line)
    }

    /// Run a QMP command.
    pub fn execute(&mut self, command: &str, arguments: serde_json::Value) -> Result<serde_json::Value> {
        self.qmp.execute(command, arguments)
    }

    /// Stop all CPUs where they are.
    pub fn stop(&mut self) -> Result<()> {
        self.qmp.execute("stop", json!({})).map(drop)
    }

    /// Let them go on.
    pub fn go_on(&mut self) -> Result<()> {
        self.qmp.execute("cont", json!({})).map(drop)
    }

    /// Read the guest's physical memory.
    pub fn physical(&mut self, address: u64, bytes: usize) -> Result<Vec<u8>> {
        let file = self.scratch.path().join("memory");
        let arguments = json!({ "val": address, "size": bytes, "filename": file });
        self.qmp.execute("pmemsave", arguments)?;
        let content =
            std::fs::read(&file).map_err(|error| Failure::qemu(format!("guest memory: {error}")))?;
        match content.len() == bytes {
            true => Ok(content),
            false => Err(Failure::qemu(format!(
                "{bytes} bytes of guest memory asked, {} came",
                content.len()
            ))),
        }
    }

    /// End the machine now; what it said is kept.
    pub fn quit(mut self) -> Transcript {
        // It may be gone already, which serves as well.
        let _ = self.qmp.execute("quit", json!({}));
        let mut transcript = self.finish();
        transcript.status = None;
        transcript.reason = "ended by the launcher".into();
        transcript
    }

    /// Watch the machine until it ends, or until its time is over.
    pub fn finish(mut self) -> Transcript {
        loop {
            match self.next_line() {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return self.ended(),
                Err(RecvTimeoutError::Timeout) => return self.time_is_over(),
            }
        }
    }

    fn next_line(&mut self) -> std::result::Result<String, RecvTimeoutError> {
        let line = match self.deadline {
            None => self.serial.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(deadline) => self
                .serial
                .recv_timeout(deadline.saturating_duration_since(Instant::now())),
        }?;
        self.lines.push(line.clone());
        Ok(line)
    }

    fn ended(mut self) -> Transcript {
        let exit = self.child.wait(FAREWELL);
        // A QEMU that closed its output and does not end must not keep us waiting for its other words.
        drop(self.child);
        let complaints = self.complaints.join().unwrap_or_default();
        let (status, reason) = judge(exit, &self.qmp.shutdowns(), &self.lines, &complaints);
        Transcript {
            lines: self.lines,
            complaints,
            status: Some(status),
            reason,
            registers: None,
        }
    }

    fn time_is_over(mut self) -> Transcript {
        let registers = self
            .qmp
            .monitor("info registers -a")
            .unwrap_or_else(|failure| failure.message);
        drop(self.child);
        let complaints = self.complaints.join().unwrap_or_default();
        self.lines.extend(self.serial.iter());
        let reason = "the guest was still running when its time was over".into();
        let status = Some(Status::TimeLimit);
        Transcript {
            lines: self.lines,
            complaints,
            status,
            reason,
            registers: Some(registers),
        }
    }
}

fn open(listener: &UnixListener, child: &mut Guard, run: bool) -> Result<Qmp> {
    let mut qmp = Qmp::accept(listener, || child.is_running())?;
    if run {
        qmp.execute("cont", json!({}))?;
    }
    Ok(qmp)
}

/// QEMU's own words say more than a broken control channel.
fn explained(failure: Failure, complaints: &str) -> Failure {
    match complaints.trim() {
        "" => failure,
        words => Failure::qemu(format!("QEMU does not start; it said:\n{words}")),
    }
}
