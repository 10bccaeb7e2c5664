//! How the kernel says no: a status and up to two numbers, which go to the first two result words.
//!
//! What a call allocates is charged to an account (`memory/heap.rs`): `AccountExhausted` when that has too little left.
//! `HeapExhausted` is given for lists larger than a page, when no node has the pages side by side, or the account that pays
//! has fewer.

use abi::{Registers, Status};

use crate::memory::address_space::AlreadyMapped;
use crate::memory::frame::Exhausted;

/// Why a call was refused. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The cause. Never `Ok`.
    pub status: Status,
    /// Its numbers: words 0 and 1 of the answer.
    pub words: [u64; 2],
}

/// What a call answers.
pub type Answer = Result<Registers, Refusal>;

/// The answer of a call that has no results.
pub const DONE: Answer = Ok(Registers([0; 9]));

/// `Ok(())`, or this refusal.
pub fn require(condition: bool, status: Status) -> Result<(), Refusal> {
    if condition { Ok(()) } else { Err(status.into()) }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Refusal {
        Refusal {
            status,
            words: [0; 2],
        }
    }
}

impl From<Exhausted> for Refusal {
    fn from(exhausted: Exhausted) -> Refusal {
        let node = exhausted.node.map_or(u64::MAX, |node| node.get().into());
        Refusal {
            status: Status::NodeExhausted,
            words: [node, 0],
        }
    }
}

impl From<AlreadyMapped> for Refusal {
    fn from(_: AlreadyMapped) -> Refusal {
        Status::AlreadyMapped.into()
    }
}
