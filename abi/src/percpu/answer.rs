//! The answers of granted requests.

use super::{RegionId, message};
use crate::message::{MESSAGE_WORDS, Message};

/// The answer to [`super::Request::Hello`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geometry {
    /// The server's [`super::PROTOCOL_VERSION`].
    pub version: u64,
    /// Units in each window.
    pub possible_cpus: u64,
    /// Bytes from one unit to the next.
    pub stride: u64,
    /// Pages per unit that this client may hold at most.
    pub quota_pages: u64,
    /// Reserved pages per unit that are free now.
    pub reserved_free: u64,
    /// Reserved pages per unit in all; 0 when there is no reserved part.
    pub reserved_pages: u64,
}

/// The answer to [`super::Request::Reserve`] and [`super::Request::Create`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant {
    /// The region.
    pub region: RegionId,
    /// Where it begins in every unit of the window.
    pub offset: u64,
    /// Its size in each unit, in whole pages.
    pub bytes: u64,
}

/// The answer to [`super::Request::Stats`], of the whole server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stats {
    /// Clients.
    pub clients: u64,
    /// Regions.
    pub regions: u64,
    /// Reserved pages per unit in use.
    pub reserved_used: u64,
    /// Dynamic pages per unit in use.
    pub dynamic_used: u64,
    /// Requests refused so far, malformed ones included.
    pub refused: u64,
    /// Malformed and unknown requests so far.
    pub malformed: u64,
}

impl Geometry {
    /// As an answer.
    #[must_use]
    pub fn encode(&self) -> Message {
        let words = [self.version, self.possible_cpus, self.stride, self.quota_pages];
        message(
            0,
            &[
                words[0],
                words[1],
                words[2],
                words[3],
                self.reserved_free,
                self.reserved_pages,
            ],
        )
    }

    /// From an answer's words.
    #[must_use]
    pub const fn decode(w: &[u64; MESSAGE_WORDS]) -> Geometry {
        Geometry {
            version: w[0],
            possible_cpus: w[1],
            stride: w[2],
            quota_pages: w[3],
            reserved_free: w[4],
            reserved_pages: w[5],
        }
    }
}

impl Grant {
    /// As an answer.
    #[must_use]
    pub fn encode(&self) -> Message {
        message(0, &[self.region.encode(), self.offset, self.bytes])
    }

    /// From an answer's words.
    #[must_use]
    pub const fn decode(w: &[u64; MESSAGE_WORDS]) -> Grant {
        Grant {
            region: RegionId::decode(w[0]),
            offset: w[1],
            bytes: w[2],
        }
    }
}

impl Stats {
    /// As an answer.
    #[must_use]
    pub fn encode(&self) -> Message {
        message(
            0,
            &[
                self.clients,
                self.regions,
                self.reserved_used,
                self.dynamic_used,
                self.refused,
                self.malformed,
            ],
        )
    }

    /// From an answer's words.
    #[must_use]
    pub const fn decode(w: &[u64; MESSAGE_WORDS]) -> Stats {
        Stats {
            clients: w[0],
            regions: w[1],
            reserved_used: w[2],
            dynamic_used: w[3],
            refused: w[4],
            malformed: w[5],
        }
    }
}
