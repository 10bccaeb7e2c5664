//! Why there is no shape, by name.

use core::fmt;

use crate::CpuId;

/// Why there is no shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShapeError {
    /// No CPU was named.
    NoCpu,
    /// More CPUs than the value has room for.
    TooManyCpus {
        /// The capacity, `CPUS`.
        limit: usize,
    },
    /// CPU ids must ascend, each once.
    NotAscending {
        /// The first id that is not above the one before it.
        cpu: CpuId,
    },
    /// More groups than the value has room for.
    TooManyGroups {
        /// The capacity, `GROUPS`.
        limit: usize,
    },
    /// The atom is 0 or not a multiple of the page.
    BadAtom {
        /// The atom in bytes.
        atom_size: u64,
    },
    /// The sizes, or the memory of all groups together, do not fit into 64 bits.
    SizeOverflow,
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCpu => write!(f, "no possible CPU"),
            Self::TooManyCpus { limit } => write!(f, "more than {limit} possible CPUs"),
            Self::NotAscending { cpu } => write!(f, "CPU {cpu} is out of order or named twice"),
            Self::TooManyGroups { limit } => write!(f, "more than {limit} groups"),
            Self::BadAtom { atom_size } => write!(f, "atom size {atom_size} is not a multiple of the page"),
            Self::SizeOverflow => write!(f, "sizes do not fit into 64 bits"),
        }
    }
}

impl core::error::Error for ShapeError {}
