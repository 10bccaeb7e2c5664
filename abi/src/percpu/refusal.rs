//! The refusals: each has a number, a name and its cause in numbers.

use core::fmt;

use super::message;
use crate::message::{MESSAGE_WORDS, Message};

/// In place of a node: it is not that one has too few frames, but that the account which pays for the pools may have no more.
pub const NO_NODE: u64 = u64::MAX;

/// Why a request was refused. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PercpuError {
    /// The label is no request's number. Holds it.
    UnknownRequest(u64),
    /// The words mean nothing for this request. Holds the index of the first bad one (6: the capability).
    Malformed(u64),
    /// The client speaks another version. Holds the server's.
    VersionMismatch(u64),
    /// Not enough reserved pages in a row. Holds how many pages are free.
    ReservedExhausted {
        /// Free reserved pages per unit.
        free: u64,
    },
    /// The client's quota does not allow it.
    QuotaExceeded {
        /// Pages per unit that it may hold.
        limit: u64,
        /// Pages per unit that it holds.
        used: u64,
    },
    /// The window has no room for an offset range of that size.
    WindowFull,
    /// The size is zero or larger than a unit of the window. Holds the largest size.
    BadSize(u64),
    /// The alignment is not a power of two, or larger than a page.
    BadAlign,
    /// A node has too few free frames. Holds the node, or [`NO_NODE`].
    NodeExhausted(u64),
    /// No region ever had this id.
    NoSuchRegion,
    /// The region was destroyed.
    StaleGeneration,
    /// A page range reaches beyond the region. Holds its pages.
    BadRange(u64),
    /// Only init may ask for this.
    NotPermitted,
    /// The server knows no client with this badge.
    NotAttached,
    /// The server has no room for another client or region. Holds its limit.
    ServerFull(u64),
    /// The region is another client's.
    NotYours,
    /// A request of this client with a higher number has taken effect. Holds that number.
    StaleRequest(u64),
    /// The memory that came with a request is too small, too large, or not of the kind that can be mapped. Holds
    /// the pages that it may have at most.
    BadBuffer(u64),
    /// The kernel takes the CPU neither off nor on. Holds the status: `BadArgument` (no such CPU), `BootCpu`,
    /// `NotOnline`, `AlreadyOnline` or `NotPresent`.
    CpuRefused(u64),
    /// The kernel refused something that the server did not expect. Holds the status.
    Kernel(u64),
}

impl PercpuError {
    /// The answer that carries this refusal.
    #[must_use]
    pub fn encode(self) -> Message {
        use PercpuError::*;
        match self {
            UnknownRequest(label) => message(1, &[label]),
            Malformed(index) => message(2, &[index]),
            VersionMismatch(version) => message(3, &[version]),
            ReservedExhausted { free } => message(4, &[free]),
            QuotaExceeded { limit, used } => message(5, &[limit, used]),
            WindowFull => message(6, &[]),
            BadSize(largest) => message(7, &[largest]),
            BadAlign => message(8, &[]),
            NodeExhausted(node) => message(9, &[node]),
            NoSuchRegion => message(10, &[]),
            StaleGeneration => message(11, &[]),
            BadRange(pages) => message(12, &[pages]),
            NotPermitted => message(13, &[]),
            NotAttached => message(14, &[]),
            ServerFull(limit) => message(15, &[limit]),
            Kernel(status) => message(16, &[status]),
            NotYours => message(17, &[]),
            StaleRequest(last) => message(18, &[last]),
            BadBuffer(pages) => message(19, &[pages]),
            CpuRefused(status) => message(20, &[status]),
        }
    }

    /// The answer's words when it is a success.
    ///
    /// # Errors
    /// The refusal that the answer carries; a number that no refusal has is reported as
    /// [`PercpuError::UnknownRequest`] with that number.
    pub fn from_answer(answer: &Message) -> Result<[u64; MESSAGE_WORDS], PercpuError> {
        use PercpuError::*;
        let w = &answer.words;
        Err(match answer.label {
            0 => return Ok(*w),
            2 => Malformed(w[0]),
            3 => VersionMismatch(w[0]),
            4 => ReservedExhausted { free: w[0] },
            5 => QuotaExceeded {
                limit: w[0],
                used: w[1],
            },
            6 => WindowFull,
            7 => BadSize(w[0]),
            8 => BadAlign,
            9 => NodeExhausted(w[0]),
            10 => NoSuchRegion,
            11 => StaleGeneration,
            12 => BadRange(w[0]),
            13 => NotPermitted,
            14 => NotAttached,
            15 => ServerFull(w[0]),
            16 => Kernel(w[0]),
            17 => NotYours,
            18 => StaleRequest(w[0]),
            19 => BadBuffer(w[0]),
            20 => CpuRefused(w[0]),
            1 => UnknownRequest(w[0]),
            other => UnknownRequest(other),
        })
    }
}

impl fmt::Display for PercpuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PercpuError::NodeExhausted(NO_NODE) => {
                write!(
                    f,
                    "NodeExhausted: no node in particular, the pools may have no more frames"
                )
            }
            other => write!(f, "{other:?}"),
        }
    }
}
