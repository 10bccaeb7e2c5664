//! The percpu server's protocol: requests as messages, answers as messages, refusals by name.
//!
//! A request's label is its number and its words are its arguments, in the order of the fields; words that a
//! request does not use must be zero; the last one of a request that changes something is its number. An answer's label is 0, or the number of a [`PercpuError`], whose
//! causes are in the words. All sizes are in bytes of *one* unit, all page numbers are of one unit: the same
//! offsets hold on every CPU.

mod answer;
pub mod batch;
pub mod ledger;
pub mod map;
mod refusal;
mod request;
pub mod trace;

use crate::message::{MESSAGE_WORDS, Message};
use crate::{Handle, window};

pub use answer::{Geometry, Grant, Stats};
pub use refusal::{NO_NODE, PercpuError};
pub use request::{Name, Numbered, Populate, Request, name_of_words, name_words, number};

/// Version of this protocol, for [`Request::Hello`].
pub const PROTOCOL_VERSION: u64 = 2;

/// Which word of a message holds the number of a request that changes something.
pub const NUMBER_WORD: usize = 5;

/// The largest number of a request.
pub const MAX_REQUEST_NUMBER: u64 = (1 << 40) - 1;

/// The badge of the one privileged client: init.
pub const INIT_BADGE: u64 = 1;

/// Set in the badge of a client that may observe: it may ask for the trace, and its maps name the owners. init makes
/// badges, so nobody else can make himself one, and a server that follows another one has nothing to remember.
pub const OBSERVER: u64 = 1 << 62;

/// Whether the holder of this badge may observe.
#[must_use]
pub const fn may_observe(badge: u64) -> bool {
    badge == INIT_BADGE || badge & OBSERVER != 0
}

/// A region's name: an index and the generation that it has as long as this region lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct RegionId {
    /// Place in the server's list.
    pub index: u32,
    /// Changes when the region is destroyed.
    pub generation: u32,
}

impl RegionId {
    /// As one word.
    #[must_use]
    pub const fn encode(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// From one word; every word is some id.
    #[must_use]
    pub const fn decode(word: u64) -> RegionId {
        RegionId {
            index: word as u32,
            generation: (word >> 32) as u32,
        }
    }
}

/// Pages that a unit of a window with this stride can hold beside the header page.
#[must_use]
pub const fn unit_pages(stride: u64) -> u64 {
    (stride / crate::PAGE_SIZE).saturating_sub(window::STATIC_FIRST_PAGE)
}

fn message(label: u64, arguments: &[u64]) -> Message {
    let mut words = [0; MESSAGE_WORDS];
    words[..arguments.len()].copy_from_slice(arguments);
    Message {
        label,
        words,
        capability: Handle::NONE,
    }
}
