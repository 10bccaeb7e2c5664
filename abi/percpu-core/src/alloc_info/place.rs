//! After the memory of all groups is there: where they lie relative to each other, and whether that is
//! too far apart.
//!
//! Addresses come from the caller and are only compared and subtracted. All groups must have memory
//! before any is placed, because the base is the lowest of all (M1, M3).
//!
//! Sources: M3, M4, M6, E3 (alignment).

use core::fmt;

use super::AllocInfo;
use crate::PAGE_SIZE;

/// The memory of one group: one contiguous piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSpan {
    /// Address of the first byte.
    pub start: u64,
    /// Bytes.
    pub size: u64,
}

/// Where the chunk lies once all groups have memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Chunk base: the lowest group's address. Group and unit offsets count from here.
    pub base: u64,
    /// Bytes from the base to the end of the group that starts highest.
    pub max_distance: u64,
}

/// Why the groups cannot lie there. Nothing has been changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceError {
    /// Not one address for each group.
    WrongCount {
        /// Addresses that were given.
        given: usize,
        /// Groups that there are.
        needed: usize,
    },
    /// An address is not page aligned.
    Misaligned {
        /// Index of the group.
        group: usize,
    },
    /// A group would end behind the end of the address space.
    PastEnd {
        /// Index of the group.
        group: usize,
    },
    /// Two groups share memory.
    Overlap {
        /// Index of one group.
        group: usize,
        /// Index of the other.
        with: usize,
    },
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongCount { given, needed } => write!(f, "{given} addresses for {needed} groups"),
            Self::Misaligned { group } => write!(f, "group {group} is not page aligned"),
            Self::PastEnd { group } => write!(f, "group {group} ends behind the address space"),
            Self::Overlap { group, with } => write!(f, "groups {group} and {with} overlap"),
        }
    }
}

impl core::error::Error for PlaceError {}

impl<const CPUS: usize, const GROUPS: usize> AllocInfo<CPUS, GROUPS> {
    /// Takes the real addresses of all groups, in group order, and makes group and unit offsets true.
    /// May be called again.
    ///
    /// # Errors
    ///
    /// Every [`PlaceError`]; the old offsets stay then.
    pub fn place_groups(&mut self, starts: &[u64]) -> Result<Placement, PlaceError> {
        let needed = self.group_count();
        if starts.len() != needed {
            return Err(PlaceError::WrongCount {
                given: starts.len(),
                needed,
            });
        }
        for (group, span) in self.spans(starts).enumerate() {
            if span.start % PAGE_SIZE != 0 {
                return Err(PlaceError::Misaligned { group });
            }
            let end = span
                .start
                .checked_add(span.size)
                .ok_or(PlaceError::PastEnd { group })?;
            let meets =
                |other: GroupSpan| other.start < end && span.start < other.start.saturating_add(other.size);
            if let Some(with) = self.spans(starts).take(group).position(meets) {
                return Err(PlaceError::Overlap { group, with });
            }
        }
        let base = starts.iter().copied().min().unwrap_or(0);
        let max_distance = max_distance(self.spans(starts)).unwrap_or(0);
        for (record, start) in self.groups.iter_mut().zip(starts) {
            record.base_offset = start - base;
        }
        Ok(Placement { base, max_distance })
    }

    fn spans<'a>(&'a self, starts: &'a [u64]) -> impl Iterator<Item = GroupSpan> + Clone + 'a {
        self.groups().zip(starts).map(|(group, start)| GroupSpan {
            start: *start,
            size: group.size(),
        })
    }
}

/// Bytes from the lowest start to the end of the span that *starts* highest (M3). `None` without spans,
/// or if that end does not fit into 64 bits.
pub fn max_distance(spans: impl Iterator<Item = GroupSpan> + Clone) -> Option<u64> {
    let base = spans.clone().map(|span| span.start).min()?;
    let highest = spans.max_by_key(|span| span.start)?;
    (highest.start - base).checked_add(highest.size)
}

/// Whether groups so far apart are refused: more than three quarters of the address range in which
/// later chunks must be congruent (M4). Exactly three quarters, rounded down, is accepted.
pub fn exceeds_three_quarters(max_distance: u64, range: u64) -> bool {
    u128::from(max_distance) > u128::from(range) * 3 / 4
}
