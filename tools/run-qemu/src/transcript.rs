//! What a run said, and what it means.
//!
//! A triple fault ends QEMU with status 0, and so would a machine that nobody ever started: success is
//! therefore only what the guest itself says, twice, by a line and by its exit value.

use std::fmt;

use crate::status::Status;

/// The line that a guest prints when everything it was asked for came out right.
pub const SUCCESS: &str = "all checks done";

/// Values that the guest writes to isa-debug-exit, as QEMU turns them into its own exit status.
const fn debug_exit(value: i32) -> i32 {
    value << 1 | 1
}
const ENDED_WELL: i32 = debug_exit(0x10);
const CHECK_FAILED: i32 = debug_exit(0x11);
const PANICKED: i32 = debug_exit(0x12);

/// One finished run.
#[derive(Debug, Clone)]
pub struct Transcript {
    /// The serial line, line by line.
    pub lines: Vec<String>,
    /// What QEMU itself complained about.
    pub complaints: String,
    /// How it ended; nothing if the caller ended it.
    pub status: Option<Status>,
    /// The same in words.
    pub reason: String,
    /// All CPUs' registers, taken when the time was over.
    pub registers: Option<String>,
}

impl Transcript {
    /// The first line that contains this text.
    pub fn find(&self, text: &str) -> Option<&str> {
        self.lines
            .iter()
            .map(String::as_str)
            .find(|line| line.contains(text))
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "--- the serial line")?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        if !self.complaints.trim().is_empty() {
            writeln!(f, "--- QEMU's own words\n{}", self.complaints.trim())?;
        }
        if let Some(registers) = &self.registers {
            writeln!(f, "--- registers at the end\n{}", registers.trim())?;
        }
        write!(f, "--- {}", self.reason)
    }
}

/// How QEMU's process ended.
#[derive(Debug, Clone, Copy)]
pub struct Exit {
    /// Its exit status; nothing if a signal ended it.
    pub code: Option<i32>,
    /// Which signal.
    pub signal: Option<i32>,
}

/// Turn all witnesses into one verdict.
pub fn judge(exit: Exit, shutdowns: &[String], lines: &[String], complaints: &str) -> (Status, String) {
    let said_so = lines.iter().any(|line| line.trim() == SUCCESS);
    let reset = shutdowns.iter().any(|reason| reason == "guest-reset");
    match exit.code {
        Some(ENDED_WELL) if said_so => (Status::Ok, SUCCESS.into()),
        Some(ENDED_WELL) => (
            Status::CheckFailed,
            format!("the guest ended well, but never said `{SUCCESS}`"),
        ),
        Some(CHECK_FAILED) => (Status::CheckFailed, "the guest says that a check failed".into()),
        Some(PANICKED) => (Status::Panic, "the kernel panicked, its words are above".into()),
        Some(0) if reset => (
            Status::TripleFault,
            "a CPU took a triple fault, or the guest reset the machine".into(),
        ),
        Some(0) if shutdowns.iter().any(|reason| reason == "guest-shutdown") => (
            Status::CheckFailed,
            "the guest switched the machine off without a verdict".into(),
        ),
        Some(code) if code > 1 && code & 1 == 1 => (
            Status::CheckFailed,
            format!("the guest ended with the unknown verdict {:#x}", code >> 1),
        ),
        _ => (Status::QemuFailed, failed(exit, complaints)),
    }
}

fn failed(exit: Exit, complaints: &str) -> String {
    let how = match (exit.code, exit.signal) {
        (Some(code), _) => format!("QEMU ended by itself with status {code}"),
        (None, Some(signal)) => format!("QEMU was ended by signal {signal}"),
        (None, None) => "QEMU is gone".to_string(),
    };
    match complaints.trim() {
        "" => format!("{how} and said nothing"),
        words => format!("{how} and said:\n{words}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(code: i32, shutdown: &str, line: &str) -> Status {
        let exit = Exit {
            code: Some(code),
            signal: None,
        };
        judge(exit, &[shutdown.to_string()], &[line.to_string()], "").0
    }

    #[test]
    fn success_must_be_said_and_meant() {
        assert_eq!(verdict(33, "", SUCCESS), Status::Ok);
        assert_eq!(verdict(33, "", ""), Status::CheckFailed);
        assert_eq!(verdict(33, "", "not all checks done"), Status::CheckFailed);
        assert_eq!(verdict(35, "", SUCCESS), Status::CheckFailed);
        assert_eq!(verdict(0, "guest-shutdown", SUCCESS), Status::CheckFailed);
    }

    #[test]
    fn endings_are_told_apart() {
        assert_eq!(verdict(37, "", ""), Status::Panic);
        assert_eq!(verdict(0, "guest-reset", SUCCESS), Status::TripleFault);
        assert_eq!(verdict(0, "", SUCCESS), Status::QemuFailed);
        assert_eq!(verdict(0, "host-signal", ""), Status::QemuFailed);
        assert_eq!(verdict(1, "", SUCCESS), Status::QemuFailed);
        assert_eq!(verdict(39, "", SUCCESS), Status::CheckFailed);
        let killed = Exit {
            code: None,
            signal: Some(9),
        };
        assert_eq!(judge(killed, &[], &[SUCCESS.into()], "").0, Status::QemuFailed);
    }

    #[test]
    fn qemus_own_words_are_shown() {
        let exit = Exit {
            code: Some(1),
            signal: None,
        };
        assert!(
            judge(exit, &[], &[], "qemu: no such option\n")
                .1
                .contains("no such option")
        );
    }
}
