//! The requests: their numbers, their words, and what makes a message no request.

use super::{MAX_REQUEST_NUMBER, NUMBER_WORD, PercpuError, RegionId, message};
use crate::message::{MESSAGE_WORDS, Message};

/// Which pages of a new region get frames at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Populate {
    /// None: an offset range, to be populated by ranges later. Touching it faults.
    None,
    /// All.
    All,
    /// All are paid and kept free on their nodes; each is taken when its CPU's copy is touched for the first time.
    OnTouch,
}

/// For people: up to 16 bytes of UTF-8, padded with zeros.
pub type Name = [u8; 16];

/// What a client asks for. Those that change something carry a number: see [`Numbered`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// `{version}` → [`super::Geometry`].
    Hello {
        /// [`super::PROTOCOL_VERSION`] of the client.
        version: u64,
    },
    /// `{bytes, align, name, name}` → [`super::Grant`]: a region of the first chunk's reserved pages, always
    /// populated. Refused when these are used up: never served from elsewhere (R2).
    Reserve {
        /// Size of the region in each unit; rounded up to pages.
        bytes: u64,
        /// A power of two up to a page, or 0 for none in particular.
        align: u64,
        /// What it is called.
        name: Name,
    },
    /// `{bytes, populate, name, name}` → [`super::Grant`]: a region of dynamic pages.
    Create {
        /// Size of the region in each unit; rounded up to pages.
        unit_bytes: u64,
        /// Which of its pages get frames now.
        populate: Populate,
        /// What it is called.
        name: Name,
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
    /// `{region, page, count}` → `{}`: the frames of these pages go back, as far as they have some.
    Depopulate {
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
    /// `{entries, is kept}` + memory → `{entries}`: the requests that lie in the memory, one after another, each with its
    /// answer beside it; see [`super::batch`].
    Batch {
        /// How many.
        entries: u64,
        /// Whether the next batch will lie there, too: the server may leave the memory mapped, until a batch of the client's
        /// lies in other memory, or the client ends.
        is_kept: bool,
    },
    /// `{}` + memory → `{regions in the map, regions in all}`: counters and every region, written to the memory;
    /// see [`super::map`].
    Map,
    /// `{region, page}` → `{mask × 4}`: the CPUs whose copies of the page have a frame.
    Populated {
        /// Which region.
        region: RegionId,
        /// Page within the region.
        page: u64,
    },
    /// `{from}` + memory → `{first, events, next}`: events from this number on, or from the first one that is still there,
    /// written to the memory, as many as it has room for; `next` is the number that the next event will have. See
    /// [`super::trace`]. For whoever may observe.
    Trace {
        /// The number of the first event that is wanted.
        from: u64,
    },
    /// `{badge, quota pages, static pages, name, name}` + the client's window → `{pool}`: a new client, and room for its
    /// static part in reserved pages (pool 0), or in dynamic ones when those are used up (pool 1). For init.
    Attach {
        /// The badge that identifies the client from now on.
        badge: u64,
        /// Most pages per unit that it may hold beyond its static part.
        quota_pages: u64,
        /// Pages of its static part, mapped from [`crate::window::STATIC_FIRST_PAGE`] on.
        static_pages: u64,
        /// What it is called (O7): printable ASCII, or nothing. It is told to those who may observe, and to nobody else.
        name: Name,
    },
    /// `{badge, quota pages}` → `{}`: another quota for a client; it may hold more than that already. For init.
    SetQuota {
        /// Which client.
        badge: u64,
        /// Most pages per unit that it may hold beyond its static part.
        quota_pages: u64,
    },
    /// `{}` → `{pages}`: everything that is kept ready and not used goes back to the kernel. For init.
    Drain,
    /// `{cpu}` → `{}`: the CPU is online when the answer comes. For init.
    CpuOnline {
        /// Which CPU.
        cpu: u64,
    },
    /// `{cpu}` → `{}`: the CPU is parked when the answer comes; its units stay. For init.
    CpuOffline {
        /// Which CPU.
        cpu: u64,
    },
}

/// A request with its number.
///
/// A client numbers its requests that change something, upwards from 1; the others have number 0. The number of
/// the last one that took effect is kept in the client's window, together with the result: when an answer was
/// lost, the same request with the same number is answered, and not done again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Numbered {
    /// What is asked for.
    pub request: Request,
    /// Its number, up to [`MAX_REQUEST_NUMBER`].
    pub number: u64,
}

/// Numbers of the requests.
pub mod number {
    #![expect(missing_docs, reason = "each is the number of the request of that name")]
    pub const HELLO: u64 = 1;
    pub const RESERVE: u64 = 2;
    pub const CREATE: u64 = 3;
    pub const POPULATE: u64 = 4;
    pub const DEPOPULATE: u64 = 5;
    pub const DESTROY: u64 = 6;
    pub const STATS: u64 = 7;
    pub const BATCH: u64 = 8;
    pub const MAP: u64 = 9;
    pub const POPULATED: u64 = 10;
    pub const ATTACH: u64 = 16;
    pub const SET_QUOTA: u64 = 17;
    pub const DRAIN: u64 = 18;
    pub const CPU_ONLINE: u64 = 19;
    pub const CPU_OFFLINE: u64 = 20;
    pub const TRACE: u64 = 21;
}

impl Request {
    /// Its number.
    #[must_use]
    pub const fn label(&self) -> u64 {
        use Request::*;
        match self {
            Hello { .. } => number::HELLO,
            Reserve { .. } => number::RESERVE,
            Create { .. } => number::CREATE,
            Populate { .. } => number::POPULATE,
            Depopulate { .. } => number::DEPOPULATE,
            Destroy { .. } => number::DESTROY,
            Stats => number::STATS,
            Batch { .. } => number::BATCH,
            Map => number::MAP,
            Populated { .. } => number::POPULATED,
            Attach { .. } => number::ATTACH,
            SetQuota { .. } => number::SET_QUOTA,
            Drain => number::DRAIN,
            CpuOnline { .. } => number::CPU_ONLINE,
            CpuOffline { .. } => number::CPU_OFFLINE,
            Trace { .. } => number::TRACE,
        }
    }

    /// Whether it changes something, so that it needs a number.
    #[must_use]
    pub const fn is_change(&self) -> bool {
        use Request::*;
        matches!(
            self,
            Reserve { .. }
                | Create { .. }
                | Populate { .. }
                | Depopulate { .. }
                | Destroy { .. }
                | Attach { .. }
                | CpuOnline { .. }
                | CpuOffline { .. }
        )
    }

    /// Whether a capability comes with it.
    #[must_use]
    pub const fn takes_capability(&self) -> bool {
        use Request::*;
        matches!(self, Batch { .. } | Map | Trace { .. } | Attach { .. })
    }

    /// The message to send, with a number. [`Request::Attach`] needs the window's capability with it,
    /// [`Request::Batch`], [`Request::Map`] and [`Request::Trace`] that of a memory object.
    #[must_use]
    pub fn numbered(&self, number: u64) -> Message {
        let mut message = self.encode();
        message.words[NUMBER_WORD] = number;
        message
    }

    /// The message without a number, as it is for requests that change nothing.
    #[must_use]
    pub fn encode(&self) -> Message {
        use Request::*;
        let ranged = |label, region: RegionId, page, count| message(label, &[region.encode(), page, count]);
        match *self {
            Hello { version } => message(number::HELLO, &[version]),
            Reserve { bytes, align, name } => named(number::RESERVE, [bytes, align], &name),
            Create {
                unit_bytes,
                populate,
                name,
            } => named(number::CREATE, [unit_bytes, populate as u64], &name),
            Populate { region, page, count } => ranged(number::POPULATE, region, page, count),
            Depopulate { region, page, count } => ranged(number::DEPOPULATE, region, page, count),
            Destroy { region } => message(number::DESTROY, &[region.encode()]),
            Stats => message(number::STATS, &[]),
            Batch { entries, is_kept } => message(number::BATCH, &[entries, u64::from(is_kept)]),
            Map => message(number::MAP, &[]),
            Populated { region, page } => message(number::POPULATED, &[region.encode(), page]),
            Attach {
                badge,
                quota_pages,
                static_pages,
                name,
            } => {
                let [low, high] = name_words(&name);
                message(number::ATTACH, &[badge, quota_pages, static_pages, low, high])
            }
            SetQuota { badge, quota_pages } => message(number::SET_QUOTA, &[badge, quota_pages]),
            Drain => message(number::DRAIN, &[]),
            CpuOnline { cpu } => message(number::CPU_ONLINE, &[cpu]),
            CpuOffline { cpu } => message(number::CPU_OFFLINE, &[cpu]),
            Trace { from } => message(number::TRACE, &[from]),
        }
    }

    /// Reads a request from a message that anyone may have sent.
    ///
    /// # Errors
    /// [`PercpuError::UnknownRequest`] for a label that no request has, [`PercpuError::Malformed`] for words
    /// that mean nothing: an unused word that is not zero, a number without a meaning, a capability that the
    /// request does not take or its absence.
    pub fn decode(message: &Message) -> Result<Numbered, PercpuError> {
        let w = &message.words;
        let used = match message.label {
            number::STATS | number::MAP | number::DRAIN => 0,
            number::HELLO | number::DESTROY | number::TRACE => 1,
            number::CPU_ONLINE | number::CPU_OFFLINE => 1,
            number::POPULATED | number::SET_QUOTA | number::BATCH => 2,
            number::POPULATE | number::DEPOPULATE => 3,
            number::RESERVE | number::CREATE => 4,
            number::ATTACH => 5,
            label => return Err(PercpuError::UnknownRequest(label)),
        };
        let request = Request::decode_words(message.label, w)?;
        let end = if request.is_change() {
            NUMBER_WORD
        } else {
            MESSAGE_WORDS
        };
        if let Some(extra) = (used..end).find(|index| w[*index] != 0) {
            return Err(PercpuError::Malformed(extra as u64));
        }
        let number = if request.is_change() { w[NUMBER_WORD] } else { 0 };
        if request.is_change() && !(1..=MAX_REQUEST_NUMBER).contains(&number) {
            return Err(PercpuError::Malformed(NUMBER_WORD as u64));
        }
        if message.capability.is_none() == request.takes_capability() {
            return Err(PercpuError::Malformed(MESSAGE_WORDS as u64));
        }
        Ok(Numbered { request, number })
    }

    fn decode_words(label: u64, w: &[u64; MESSAGE_WORDS]) -> Result<Request, PercpuError> {
        let region = RegionId::decode(w[0]);
        let (page, count) = (w[1], w[2]);
        Ok(match label {
            number::HELLO => Request::Hello { version: w[0] },
            number::RESERVE => Request::Reserve {
                bytes: w[0],
                align: w[1],
                name: decode_name(w)?,
            },
            number::CREATE => Request::Create {
                unit_bytes: w[0],
                populate: decode_populate(w[1])?,
                name: decode_name(w)?,
            },
            number::POPULATE => Request::Populate { region, page, count },
            number::DEPOPULATE => Request::Depopulate { region, page, count },
            number::DESTROY => Request::Destroy { region },
            number::BATCH => Request::Batch {
                entries: w[0],
                is_kept: match w[1] {
                    0 => false,
                    1 => true,
                    _ => return Err(PercpuError::Malformed(1)),
                },
            },
            number::MAP => Request::Map,
            number::POPULATED => Request::Populated { region, page },
            number::ATTACH => Request::Attach {
                badge: w[0],
                quota_pages: w[1],
                static_pages: w[2],
                name: decode_owner([w[3], w[4]])?,
            },
            number::SET_QUOTA => Request::SetQuota {
                badge: w[0],
                quota_pages: w[1],
            },
            number::DRAIN => Request::Drain,
            number::CPU_ONLINE => Request::CpuOnline { cpu: w[0] },
            number::CPU_OFFLINE => Request::CpuOffline { cpu: w[0] },
            number::TRACE => Request::Trace { from: w[0] },
            _ => Request::Stats,
        })
    }
}

fn named(label: u64, [first, second]: [u64; 2], name: &Name) -> Message {
    let [low, high] = name_words(name);
    message(label, &[first, second, low, high])
}

/// A name as two words.
#[must_use]
pub fn name_words(name: &Name) -> [u64; 2] {
    let (low, high) = name.split_at(8);
    [low, high].map(|half| half.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

/// A name of two words; any bytes.
#[must_use]
pub fn name_of_words([low, high]: [u64; 2]) -> Name {
    let mut name = [0; 16];
    name[..8].copy_from_slice(&low.to_le_bytes());
    name[8..].copy_from_slice(&high.to_le_bytes());
    name
}

fn decode_populate(word: u64) -> Result<Populate, PercpuError> {
    match word {
        0 => Ok(Populate::None),
        1 => Ok(Populate::All),
        2 => Ok(Populate::OnTouch),
        _ => Err(PercpuError::Malformed(1)),
    }
}

fn decode_name(w: &[u64; MESSAGE_WORDS]) -> Result<Name, PercpuError> {
    let name = name_of_words([w[2], w[3]]);
    match core::str::from_utf8(&name) {
        Ok(_) => Ok(name),
        Err(_) => Err(PercpuError::Malformed(2)),
    }
}

/// Printable ASCII without gaps, padded with zeros.
fn decode_owner(words: [u64; 2]) -> Result<Name, PercpuError> {
    let name = name_of_words(words);
    let length = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    let (text, padding) = name.split_at(length);
    match text.iter().all(u8::is_ascii_graphic) && padding.iter().all(|byte| *byte == 0) {
        true => Ok(name),
        false => Err(PercpuError::Malformed(3)),
    }
}
