//! The manifest: one line for each program that is to run.
//!
//! `run NAME quota=<pages per unit> memory=<frames> expect=exit|fault [supervisor=yes] [observer=yes] [priority=<0 to 7>]
//! [in_turn=yes] [device=<interrupt>:<first port>+<ports>] [arg=<rest of line>]`

use core::fmt;

use abi::start::{ARGUMENT_BYTES, NAME_BYTES};
use abi::syscall::DEFAULT_PRIORITY;

/// How a program has to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// By itself, with code 0.
    Exit,
    /// By a fault.
    Fault,
}

/// A device, for its driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Device {
    /// Its interrupt: an ISA one below 16, else a line of the I/O APICs.
    pub interrupt: u64,
    /// The first of its I/O ports.
    pub first_port: u64,
    /// How many it has.
    pub ports: u64,
}

impl Device {
    fn read(value: &str) -> Option<Device> {
        let (interrupt, ports) = value.split_once(':')?;
        let (first, count) = ports.split_once('+')?;
        Some(Device {
            interrupt: interrupt.parse().ok()?,
            first_port: first.parse().ok()?,
            ports: count.parse().ok()?,
        })
    }
}

/// A program that is to run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run<'a> {
    /// The program's name, and its file's in the boot module.
    pub name: &'a str,
    /// Pages per unit that the percpu server will give it at most.
    pub quota_pages: u64,
    /// Frames that it may own.
    pub memory_frames: u64,
    /// How it has to end.
    pub expect: Expect,
    /// Whether it may start processes and end the percpu server.
    pub has_supervisor: bool,
    /// Whether the percpu server tells it who is who, and what has happened.
    pub is_observer: bool,
    /// The device that it drives.
    pub device: Option<Device>,
    /// Whether it starts when all before it have ended, not at once.
    pub is_in_turn: bool,
    /// The priority of its threads, and the highest that it may give.
    pub priority: u64,
    /// What it is told.
    pub argument: &'a str,
}

/// Why a line means nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ManifestError<'a> {
    /// The manifest is not UTF-8.
    NoText,
    /// The line does not begin with `run`.
    NoRun(&'a str),
    /// The name is missing or too long.
    BadName(&'a str),
    /// A term is unknown, or its value means nothing. Holds the term.
    BadTerm(&'a str),
    /// The argument is too long. Holds its bytes.
    LongArgument(usize),
    /// A term is missing. Holds its name.
    Missing(&'static str),
}

impl fmt::Display for ManifestError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ManifestError::NoText => write!(f, "the manifest is no text"),
            ManifestError::NoRun(line) => write!(f, "the manifest has a line without `run`: {line}"),
            ManifestError::BadName(name) => write!(f, "`{name}` is no name for a program"),
            ManifestError::BadTerm(term) => write!(f, "the manifest has a term without meaning: {term}"),
            ManifestError::LongArgument(bytes) => {
                write!(f, "an argument of {bytes} bytes is longer than {ARGUMENT_BYTES}")
            }
            ManifestError::Missing(term) => write!(f, "the manifest has a line without {term}"),
        }
    }
}

/// The manifest's runs, in order; empty lines are skipped.
///
/// # Errors
/// [`ManifestError::NoText`]; the lines have errors of their own.
pub fn runs(
    manifest: &[u8],
) -> Result<impl Iterator<Item = Result<Run<'_>, ManifestError<'_>>>, ManifestError<'_>> {
    let text = core::str::from_utf8(manifest).map_err(|_| ManifestError::NoText)?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    Ok(lines.map(Run::read))
}

impl<'a> Run<'a> {
    fn read(line: &'a str) -> Result<Run<'a>, ManifestError<'a>> {
        let rest = line.strip_prefix("run ").ok_or(ManifestError::NoRun(line))?;
        let (rest, argument) = rest.split_once(" arg=").unwrap_or((rest, ""));
        if argument.len() > ARGUMENT_BYTES {
            return Err(ManifestError::LongArgument(argument.len()));
        }
        let mut words = rest.split_ascii_whitespace();
        let name = words.next().unwrap_or("");
        if name.is_empty() || name.len() > NAME_BYTES || name.contains('=') {
            return Err(ManifestError::BadName(name));
        }
        let (mut quota, mut memory, mut expect) = (None, None, None);
        let (mut has_supervisor, mut is_in_turn, mut device) = (false, false, None);
        let mut is_observer = false;
        let mut priority = DEFAULT_PRIORITY;
        for term in words {
            let bad = ManifestError::BadTerm(term);
            let (key, value) = term.split_once('=').ok_or(bad)?;
            let number = || value.parse::<u64>().map_err(|_| bad);
            match (key, value) {
                ("quota", _) => quota = Some(number()?),
                ("memory", _) => memory = Some(number()?),
                ("priority", _) => priority = number()?,
                ("supervisor", "yes") => has_supervisor = true,
                ("observer", "yes") => is_observer = true,
                ("in_turn", "yes") => is_in_turn = true,
                ("device", _) => device = Some(Device::read(value).ok_or(bad)?),
                ("expect", "exit") => expect = Some(Expect::Exit),
                ("expect", "fault") => expect = Some(Expect::Fault),
                _ => return Err(bad),
            }
        }
        Ok(Run {
            name,
            quota_pages: quota.ok_or(ManifestError::Missing("quota"))?,
            memory_frames: memory.ok_or(ManifestError::Missing("memory"))?,
            expect: expect.ok_or(ManifestError::Missing("expect"))?,
            has_supervisor,
            is_observer,
            device,
            is_in_turn,
            priority,
            argument,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(line: &str) -> Result<Run<'_>, ManifestError<'_>> {
        runs(line.as_bytes()).unwrap().next().unwrap()
    }

    #[test]
    fn lines_are_read_in_order() {
        let text = b"run counter quota=64 memory=2048 expect=exit\n\n\
            run probe quota=0 memory=9 expect=fault supervisor=yes observer=yes priority=5 in_turn=yes device=8:112+2 arg=read 0x10 arg=now quota=1\n";
        let runs: Vec<_> = runs(text).unwrap().map(Result::unwrap).collect();
        let counter = Run {
            name: "counter",
            quota_pages: 64,
            memory_frames: 2048,
            expect: Expect::Exit,
            has_supervisor: false,
            is_observer: false,
            device: None,
            is_in_turn: false,
            priority: 3,
            argument: "",
        };
        let probe = Run {
            name: "probe",
            quota_pages: 0,
            memory_frames: 9,
            expect: Expect::Fault,
            has_supervisor: true,
            is_observer: true,
            device: Some(Device {
                interrupt: 8,
                first_port: 112,
                ports: 2,
            }),
            is_in_turn: true,
            priority: 5,
            argument: "read 0x10 arg=now quota=1",
        };
        assert_eq!(runs, [counter, probe]);
    }

    #[test]
    fn lines_without_meaning_are_refused_by_name() {
        use ManifestError::*;
        assert_eq!(one("start x"), Err(NoRun("start x")));
        assert_eq!(one("run "), Err(BadName("")));
        assert_eq!(one("run quota=3"), Err(BadName("quota=3")));
        assert_eq!(one("run x quota=-3"), Err(BadTerm("quota=-3")));
        assert_eq!(one("run x priority=high"), Err(BadTerm("priority=high")));
        assert_eq!(one("run x quta=3"), Err(BadTerm("quta=3")));
        assert_eq!(one("run x supervisor=no"), Err(BadTerm("supervisor=no")));
        assert_eq!(one("run x observer=no"), Err(BadTerm("observer=no")));
        assert_eq!(one("run x in_turn=no"), Err(BadTerm("in_turn=no")));
        assert_eq!(one("run x expect=hope"), Err(BadTerm("expect=hope")));
        for term in [
            "device=1",
            "device=1:2",
            "device=1:2+",
            "device=:2+3",
            "device=1:x+3",
        ] {
            assert_eq!(one(&format!("run x {term}")), Err(BadTerm(term)));
        }
        assert_eq!(one("run x memory=4 expect=exit"), Err(Missing("quota")));
        assert_eq!(one("run x quota=3 memory=4"), Err(Missing("expect")));
        assert_eq!(one("run x quota=3 expect=exit"), Err(Missing("memory")));
        assert!(matches!(runs(&[0xff]).err(), Some(NoText)));
        let long = format!("run x arg={}", "y".repeat(1025));
        assert_eq!(one(&long), Err(LongArgument(1025)));
        let name = "n".repeat(33);
        assert_eq!(one(&format!("run {name}")), Err(BadName(&name)));
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "(run )?[ -~]{0,40}( arg=.{0,9})?") {
            for run in runs(line.as_bytes()).unwrap() {
                let _ = run;
            }
        }
    }
}
