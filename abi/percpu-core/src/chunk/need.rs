//! `AreaNeed`: size and alignment of an area, checked and rounded as Linux does it (A1).
//!
//! Whoever holds one has passed the check; nothing behind it checks again.

use core::fmt;

/// The unit of the allocator: sizes and alignments are multiples of it, and one bit of an area map
/// stands for it. In bytes.
pub const MIN_AREA_SIZE: usize = 4;

/// The largest area, in bytes.
pub const MAX_AREA_SIZE: usize = 32_768;

/// The largest alignment of an area, in bytes: a page.
pub const MAX_AREA_ALIGN: usize = 4_096;

/// A legal size and alignment (A1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AreaNeed {
    bits: u32,
    align_bits: u32,
}

/// What is wrong with a size and alignment (A1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedError {
    /// An area of no bytes.
    NoBytes,
    /// More than [`MAX_AREA_SIZE`] after rounding up.
    TooBig {
        /// Bytes that were asked for.
        size: usize,
    },
    /// More than [`MAX_AREA_ALIGN`].
    AlignTooBig {
        /// The alignment in bytes.
        align: usize,
    },
    /// At least [`MIN_AREA_SIZE`], but not a power of two.
    BadAlign {
        /// The alignment in bytes.
        align: usize,
    },
}

/// What somebody asks for, not looked at yet. In bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AreaRequest {
    /// How many bytes.
    pub size: usize,
    /// The offset is a multiple of this. Anything below 4, also 0 and 3, counts as 4.
    pub align: usize,
}

impl AreaNeed {
    /// Checks and rounds up to multiples of 4 bytes.
    ///
    /// ```
    /// use percpu_core::{AreaNeed, AreaRequest, NeedError};
    ///
    /// assert_eq!(AreaNeed::checked(AreaRequest { size: 5, align: 1 })?.size(), 8);
    /// let wrong = AreaNeed::checked(AreaRequest { size: 5, align: 12 });
    /// assert_eq!(wrong, Err(NeedError::BadAlign { align: 12 }));
    /// # Ok::<(), NeedError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// In this order: [`NeedError::NoBytes`] for size 0, [`NeedError::TooBig`] above 32,768 bytes,
    /// [`NeedError::AlignTooBig`] above 4,096, [`NeedError::BadAlign`] for 5, 6, 7, 9 and so on.
    pub const fn checked(request: AreaRequest) -> Result<Self, NeedError> {
        let AreaRequest { size, align } = request;
        let at_least_minimum = if align < MIN_AREA_SIZE {
            MIN_AREA_SIZE
        } else {
            align
        };
        if size == 0 {
            Err(NeedError::NoBytes)
        } else if size > MAX_AREA_SIZE {
            Err(NeedError::TooBig { size })
        } else if at_least_minimum > MAX_AREA_ALIGN {
            Err(NeedError::AlignTooBig { align })
        } else if !at_least_minimum.is_power_of_two() {
            Err(NeedError::BadAlign { align })
        } else {
            Ok(Self {
                bits: size.div_ceil(MIN_AREA_SIZE) as u32,
                align_bits: (at_least_minimum / MIN_AREA_SIZE) as u32,
            })
        }
    }

    /// Bytes after rounding up.
    pub const fn size(self) -> usize {
        self.bits as usize * MIN_AREA_SIZE
    }

    /// Alignment in bytes, at least 4.
    pub const fn align(self) -> usize {
        self.align_bits as usize * MIN_AREA_SIZE
    }

    pub(super) const fn bits(self) -> u32 {
        self.bits
    }

    /// A power of two.
    pub(super) const fn align_bits(self) -> u32 {
        self.align_bits
    }
}

impl fmt::Display for NeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBytes => write!(f, "an area of no bytes"),
            Self::TooBig { size } => write!(f, "{size} bytes, where {MAX_AREA_SIZE} is the most"),
            Self::AlignTooBig { align } => write!(f, "alignment {align}, where {MAX_AREA_ALIGN} is the most"),
            Self::BadAlign { align } => write!(f, "alignment {align} is not a power of two"),
        }
    }
}

impl core::error::Error for NeedError {}
