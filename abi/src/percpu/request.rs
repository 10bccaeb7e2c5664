//! The requests: their numbers, their words, and what makes a message no request.

use super::{PercpuError, RegionId, message};
use crate::message::{MESSAGE_WORDS, Message};

/// Which pages of a new region get frames at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Populate {
    /// None: an offset range, to be populated by ranges later. Touching it faults.
    None,
    /// All.
    All,
}

/// What a client asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// `{version}` → [`super::Geometry`].
    Hello {
        /// [`super::PROTOCOL_VERSION`] of the client.
        version: u64,
    },
    /// `{bytes, align}` → [`super::Grant`]: a region of the first chunk's reserved pages, always populated. Refused
    /// when these are used up: never served from elsewhere (R2).
    Reserve {
        /// Size of the region in each unit; rounded up to pages.
        bytes: u64,
        /// A power of two up to a page, or 0 for none in particular.
        align: u64,
    },
    /// `{bytes, populate, name, name}` → [`super::Grant`]: a region of dynamic pages.
    Create {
        /// Size of the region in each unit; rounded up to pages.
        unit_bytes: u64,
        /// Which of its pages get frames now.
        populate: Populate,
        /// For people: up to 16 bytes of UTF-8, padded with zeros.
        name: [u8; 16],
    },
    /// `{region, page, count}` → `{}`: frames for these pages on all CPUs, each on its CPU's node; all of
    /// them or none. Pages that have frames already keep them, and their contents.
    Populate {
        /// Which region.
        region: RegionId,
        /// First page within the region.
        page: u64,
        /// How many.
        count: u64,
    },
    /// `{region}` → `{}`: its pages go back; the id is stale from now on.
    Destroy {
        /// Which region.
        region: RegionId,
    },
    /// `{}` → [`super::Stats`].
    Stats,
    /// `{badge, quota pages, static pages}` + the client's window → `{pool}`: a new client, and room for its
    /// static part in reserved pages (pool 0), or in dynamic ones when those are used up (pool 1). For init.
    Attach {
        /// The badge that identifies the client from now on.
        badge: u64,
        /// Most pages per unit that it may hold beyond its static part.
        quota_pages: u64,
        /// Pages of its static part, mapped from [`crate::window::STATIC_FIRST_PAGE`] on.
        static_pages: u64,
    },
}

/// Numbers of the requests. 5 (`Depopulate`) and 8 (`Batch`) are kept for requests that are not served yet.
pub mod number {
    #![expect(missing_docs, reason = "each is the number of the request of that name")]
    pub const HELLO: u64 = 1;
    pub const RESERVE: u64 = 2;
    pub const CREATE: u64 = 3;
    pub const POPULATE: u64 = 4;
    pub const DESTROY: u64 = 6;
    pub const STATS: u64 = 7;
    pub const ATTACH: u64 = 16;
}

impl Request {
    /// The message to send. [`Request::Attach`] needs the window's capability with it.
    #[must_use]
    pub fn encode(&self) -> Message {
        use Request::*;
        match *self {
            Hello { version } => message(number::HELLO, &[version]),
            Reserve { bytes, align } => message(number::RESERVE, &[bytes, align]),
            Create {
                unit_bytes,
                populate,
                name,
            } => {
                let (low, high) = name.split_at(8);
                let word = |half: &[u8]| half.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
                message(
                    number::CREATE,
                    &[unit_bytes, populate as u64, word(low), word(high)],
                )
            }
            Populate { region, page, count } => message(number::POPULATE, &[region.encode(), page, count]),
            Destroy { region } => message(number::DESTROY, &[region.encode()]),
            Stats => message(number::STATS, &[]),
            Attach {
                badge,
                quota_pages,
                static_pages,
            } => message(number::ATTACH, &[badge, quota_pages, static_pages]),
        }
    }

    /// Reads a request from a message that anyone may have sent.
    ///
    /// # Errors
    /// [`PercpuError::UnknownRequest`] for a label that no request has, [`PercpuError::Malformed`] for words
    /// that mean nothing: an unused word that is not zero, a number without a meaning, a capability that the
    /// request does not take or its absence.
    pub fn decode(message: &Message) -> Result<Request, PercpuError> {
        let w = &message.words;
        let used = match message.label {
            number::STATS => 0,
            number::HELLO | number::DESTROY => 1,
            number::RESERVE => 2,
            number::POPULATE | number::ATTACH => 3,
            number::CREATE => 4,
            label => return Err(PercpuError::UnknownRequest(label)),
        };
        if let Some(extra) = (used..MESSAGE_WORDS).find(|index| w[*index] != 0) {
            return Err(PercpuError::Malformed(extra as u64));
        }
        if message.capability.is_none() == (message.label == number::ATTACH) {
            return Err(PercpuError::Malformed(MESSAGE_WORDS as u64));
        }
        Ok(match message.label {
            number::HELLO => Request::Hello { version: w[0] },
            number::RESERVE => Request::Reserve {
                bytes: w[0],
                align: w[1],
            },
            number::CREATE => Request::decode_create(w)?,
            number::POPULATE => Request::Populate {
                region: RegionId::decode(w[0]),
                page: w[1],
                count: w[2],
            },
            number::DESTROY => Request::Destroy {
                region: RegionId::decode(w[0]),
            },
            number::ATTACH => Request::Attach {
                badge: w[0],
                quota_pages: w[1],
                static_pages: w[2],
            },
            _ => Request::Stats,
        })
    }

    fn decode_create(w: &[u64; MESSAGE_WORDS]) -> Result<Request, PercpuError> {
        let populate = match w[1] {
            0 => Populate::None,
            1 => Populate::All,
            _ => return Err(PercpuError::Malformed(1)),
        };
        let mut name = [0; 16];
        name[..8].copy_from_slice(&w[2].to_le_bytes());
        name[8..].copy_from_slice(&w[3].to_le_bytes());
        if core::str::from_utf8(&name).is_err() {
            return Err(PercpuError::Malformed(2));
        }
        Ok(Request::Create {
            unit_bytes: w[0],
            populate,
            name,
        })
    }
}
