//! How a run can end, as one number for the shell and one sentence for people.
//!
//! Every ending has its own exit status, because a script must be able to tell a failed check from a
//! kernel panic, and both from a machine that never started.

use std::fmt;

/// What `run-qemu` exits with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// The guest said that all checks are done, and ended well.
    Ok = 0,
    /// The command line makes no sense.
    Usage = 2,
    /// The kernel or a program did not compile, or what came out cannot be packed.
    BuildFailed = 3,
    /// A tool is neither there nor installable from here.
    ToolMissing = 4,
    /// QEMU itself refused or died.
    QemuFailed = 5,
    /// The guest ended without success.
    CheckFailed = 10,
    /// The kernel panicked.
    Panic = 11,
    /// A CPU ran into a triple fault (or reset the machine).
    TripleFault = 12,
    /// The guest was still running when its time was over.
    TimeLimit = 13,
}

impl Status {
    /// The exit status of the process.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Ok => "ok",
            Status::Usage => "usage",
            Status::BuildFailed => "build failed",
            Status::ToolMissing => "tool missing",
            Status::QemuFailed => "QEMU failed",
            Status::CheckFailed => "a check failed",
            Status::Panic => "kernel panic",
            Status::TripleFault => "triple fault",
            Status::TimeLimit => "time limit",
        })
    }
}

/// Why the launcher could not go on: the status to exit with, and what is wrong and what to do.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Which kind of failure.
    pub status: Status,
    /// What is wrong, and what to do about it.
    pub message: String,
}

/// The launcher's result.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// The command line makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            status: Status::Usage,
            message: message.into(),
        }
    }

    /// Something did not compile or cannot be packed.
    pub fn build(message: impl Into<String>) -> Self {
        Self {
            status: Status::BuildFailed,
            message: message.into(),
        }
    }

    /// A tool is missing.
    pub fn missing(message: impl Into<String>) -> Self {
        Self {
            status: Status::ToolMissing,
            message: message.into(),
        }
    }

    /// QEMU failed, or the way to talk to it did.
    pub fn qemu(message: impl Into<String>) -> Self {
        Self {
            status: Status::QemuFailed,
            message: message.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.message)
    }
}

impl std::error::Error for Failure {}
