//! Why something could not be started.

use core::fmt;

use boot_module::{ArchiveError, ManifestError, ProgramError};
use userlib::{Refusal, percpu};

/// The cause, with where it came from.
#[derive(Clone, Copy, Debug)]
pub enum Failure {
    /// The boot module.
    Archive(ArchiveError),
    /// The manifest.
    Manifest(ManifestError<'static>),
    /// A program's file.
    Program(ProgramError),
    /// The percpu server refused to attach the program.
    Percpu(percpu::Error),
    /// The kernel refused; holds what init was about to do.
    Kernel(&'static str, Refusal),
    /// The percpu server has per-CPU statics, which nobody could map for it.
    ServerWithStatics,
    /// The percpu server ended by itself too often.
    ServerKeepsFailing,
    /// A program asked init for something that makes no sense. Holds what.
    NoRequest(u64),
    /// The manifest names more programs than init can keep in mind. Holds how many.
    TooManyPrograms(usize),
}

impl Failure {
    /// Names what was about to be done, for `map_err`.
    pub fn doing(what: &'static str) -> impl Fn(Refusal) -> Failure {
        move |refusal| Failure::Kernel(what, refusal)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Archive(error) => error.fmt(f),
            Failure::Manifest(error) => error.fmt(f),
            Failure::Program(error) => error.fmt(f),
            Failure::Percpu(error) => error.fmt(f),
            Failure::Kernel(what, refusal) => write!(f, "the kernel refused to {what}: {refusal}"),
            Failure::ServerWithStatics => write!(f, "the percpu server cannot have per-CPU statics"),
            Failure::ServerKeepsFailing => write!(f, "the percpu server keeps failing"),
            Failure::NoRequest(what) => write!(f, "a program asked for {what}, which makes no sense"),
            Failure::TooManyPrograms(most) => write!(f, "the manifest names more than {most} programs"),
        }
    }
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Failure {
        Failure::Archive(error)
    }
}

impl From<ManifestError<'static>> for Failure {
    fn from(error: ManifestError<'static>) -> Failure {
        Failure::Manifest(error)
    }
}

impl From<ProgramError> for Failure {
    fn from(error: ProgramError) -> Failure {
        Failure::Program(error)
    }
}

impl From<percpu::Error> for Failure {
    fn from(error: percpu::Error) -> Failure {
        Failure::Percpu(error)
    }
}
