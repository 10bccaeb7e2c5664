//! Why the page map refuses, by name.

use core::fmt;

/// Why the map does not do it. A refused request changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageMapError {
    /// The lent storage has fewer bits than there are pages.
    StorageTooSmall {
        /// Words that were lent.
        words: usize,
        /// Words that are needed.
        needed: usize,
    },
    /// A range of no pages.
    NoPages,
    /// The alignment is not a power of two.
    BadAlign {
        /// The alignment in pages.
        align_pages: usize,
    },
    /// There is no such range: proven, not guessed.
    NoFit {
        /// The longest run of free pages, whatever its alignment.
        largest_free: usize,
    },
    /// The range ends behind the unit.
    OutOfRange {
        /// Pages that there are.
        pages: usize,
    },
    /// A page that was asked for by number is taken.
    Taken {
        /// The first page of the range that is.
        page: usize,
    },
    /// A page that is to be freed is free already.
    NotTaken {
        /// The first page of the range that is.
        page: usize,
    },
}

impl fmt::Display for PageMapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StorageTooSmall { words, needed } => write!(f, "{words} words where {needed} are needed"),
            Self::NoPages => write!(f, "a range of no pages"),
            Self::BadAlign { align_pages } => write!(f, "alignment {align_pages} is not a power of two"),
            Self::NoFit { largest_free } => write!(f, "no fit: the longest free run is {largest_free} pages"),
            Self::OutOfRange { pages } => write!(f, "outside the {pages} pages"),
            Self::Taken { page } => write!(f, "page {page} is taken"),
            Self::NotTaken { page } => write!(f, "page {page} is free already"),
        }
    }
}

impl core::error::Error for PageMapError {}
