//! The percpu server's protocol: requests as messages, answers as messages, refusals by name.
//!
//! A request's label is its number and its words are its arguments, in the order of the fields; words that a
//! request does not use must be zero. An answer's label is 0, or the number of a [`PercpuError`], whose
//! causes are in the words. All sizes are in bytes of *one* unit, all page numbers are of one unit: the same
//! offsets hold on every CPU.

use crate::message::{MESSAGE_WORDS, Message};
use crate::{Handle, window};

/// Version of this protocol, for [`Request::Hello`].
pub const PROTOCOL_VERSION: u64 = 1;

/// The badge of the one privileged client: init.
pub const INIT_BADGE: u64 = 1;

/// A region's name: an index and the generation that it has as long as this region lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct RegionId {
    /// Place in the client's list.
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
    /// `{version}` → [`Geometry`].
    Hello {
        /// [`PROTOCOL_VERSION`] of the client.
        version: u64,
    },
    /// `{bytes, align}` → [`Grant`]: a region of the first chunk's reserved pages, always populated. Refused
    /// when these are used up: never served from elsewhere (R2).
    Reserve {
        /// Size of the region in each unit; rounded up to pages.
        bytes: u64,
        /// A power of two up to a page, or 0 for none in particular.
        align: u64,
    },
    /// `{bytes, populate, name, name}` → [`Grant`]: a region of dynamic pages.
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
    /// `{}` → [`Stats`].
    Stats,
    /// `{badge, quota pages, static pages}` + the client's window → `{pool}`: a new client, and room for its
    /// static part in reserved pages (pool 0), or in dynamic ones when those are used up (pool 1). For init.
    Attach {
        /// The badge that identifies the client from now on.
        badge: u64,
        /// Most pages per unit that it may hold beyond its static part.
        quota_pages: u64,
        /// Pages of its static part, mapped from [`window::STATIC_FIRST_PAGE`] on.
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
    /// A node has too few free frames. Holds the node, or all ones when the kernel named none.
    NodeExhausted(u64),
    /// No region of this client ever had this id.
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
    /// The kernel refused something that the server did not expect. Holds the status.
    Kernel(u64),
}

/// The answer to [`Request::Hello`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geometry {
    /// The server's [`PROTOCOL_VERSION`].
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

/// The answer to [`Request::Reserve`] and [`Request::Create`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant {
    /// The region.
    pub region: RegionId,
    /// Where it begins in every unit of the window.
    pub offset: u64,
    /// Its size in each unit, in whole pages.
    pub bytes: u64,
}

/// The answer to [`Request::Stats`], of the whole server.
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

fn message(label: u64, arguments: &[u64]) -> Message {
    let mut words = [0; MESSAGE_WORDS];
    words[..arguments.len()].copy_from_slice(arguments);
    Message {
        label,
        words,
        capability: Handle::NONE,
    }
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
            1 => UnknownRequest(w[0]),
            other => UnknownRequest(other),
        })
    }
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

/// Pages that a unit of a window with this stride can hold beside the header page.
#[must_use]
pub const fn unit_pages(stride: u64) -> u64 {
    (stride / crate::PAGE_SIZE).saturating_sub(window::STATIC_FIRST_PAGE)
}
