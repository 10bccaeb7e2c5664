//! The kernel's refusals as a program sees them: the status and the numbers that came with it.

use core::fmt;

use abi::Status;

/// Why the kernel refused a call. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The cause. Never `Ok`.
    pub status: Status,
    /// Its numbers, for the statuses that have some; see [`Status`].
    pub words: [u64; 2],
}

impl Refusal {
    /// A refusal that has no numbers.
    #[must_use]
    pub const fn new(status: Status) -> Refusal {
        Refusal {
            status,
            words: [0; 2],
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = self.words;
        match self.status {
            Status::NodeExhausted if first == u64::MAX => write!(f, "NodeExhausted (no particular node)"),
            Status::NodeExhausted => write!(f, "NodeExhausted (node {first})"),
            Status::AccountExhausted => write!(f, "AccountExhausted (limit {first} frames, used {second})"),
            Status::TableFull => write!(f, "TableFull (limit {first})"),
            status => write!(f, "{status:?}"),
        }
    }
}

impl core::error::Error for Refusal {}
