//! `Slots`: chunks are kept in lists by their longest free run; this is the numbering (K9, K10).
//!
//! Arithmetic only. The lists themselves, and who moves when, are the allocator's business.

use super::{AreaNeed, Chunk, MIN_AREA_SIZE};

/// The numbers of the lists of chunks, for one unit size (K10): 0 for chunks without known space, then
/// by size, then three with a meaning of their own.
///
/// ```
/// use percpu_core::{Slots, size_to_slot};
///
/// let slots = Slots::new(262_144);
/// assert_eq!((slots.sidelined(), slots.free(), slots.to_depopulate(), slots.count()), (17, 18, 19, 20));
/// assert_eq!(size_to_slot(16), 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    unit_size: usize,
    top: usize,
}

/// The slot for a free run of this many bytes, without the rule about wholly free chunks (K9):
/// `max(bit length − 3, 1)`.
pub const fn size_to_slot(bytes: usize) -> usize {
    let bit_length = (usize::BITS - bytes.leading_zeros()) as usize;
    let slot = bit_length.saturating_sub(3);
    if slot == 0 { 1 } else { slot }
}

impl Slots {
    /// The lists for this unit size in bytes.
    pub const fn new(unit_size: usize) -> Self {
        let top = size_to_slot(unit_size);
        Self { unit_size, top }
    }

    /// Bytes of a unit.
    pub const fn unit_size(self) -> usize {
        self.unit_size
    }

    /// The highest slot that is a size.
    pub const fn top(self) -> usize {
        self.top
    }

    /// The list of chunks that lost pages to reclaim and are used last.
    pub const fn sidelined(self) -> usize {
        self.top() + 1
    }

    /// The list of wholly free chunks.
    pub const fn free(self) -> usize {
        self.top() + 2
    }

    /// The list of chunks that are about to lose pages; not searched.
    pub const fn to_depopulate(self) -> usize {
        self.top() + 3
    }

    /// How many lists there are.
    pub const fn count(self) -> usize {
        self.top() + 4
    }

    /// The slot for a size of a request or of a free run in bytes: a whole unit belongs to the free slot.
    pub const fn of_size(self, bytes: usize) -> usize {
        if bytes == self.unit_size {
            self.free()
        } else {
            size_to_slot(bytes)
        }
    }

    /// The slot for a request, the same as that for its size.
    #[inline]
    pub(crate) const fn of_need(self, need: AreaNeed) -> usize {
        // A unit is never as short as the longest area but for one size, see `of_size`.
        if need.size() == self.unit_size {
            self.free()
        } else {
            (need.bits() | 2).ilog2() as usize
        }
    }

    /// The slot of a chunk, by its longest known free run (K9).
    pub const fn of_chunk(self, chunk: &Chunk<'_>) -> usize {
        self.of_longest(chunk.hints().contig)
    }

    /// The slot of a chunk with this longest known free run, in bits. A chunk with nothing free has none.
    pub(crate) const fn of_longest(self, bits: u32) -> usize {
        match bits {
            0 => 0,
            _ => self.of_size(bits as usize * MIN_AREA_SIZE),
        }
    }
}
