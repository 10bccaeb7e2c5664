//! The trace (O5): what the server did last, event by event, numbered, for whoever may observe.
//!
//! The server keeps the last [`MOST_EVENTS`] in the ledger, so they outlive it. [`super::Request::Trace`] has it write them
//! to shared memory, [`EVENT_WORDS`] words for each, from a number on: a gap before the first one is what was lost.

use super::PercpuError;

/// Most events that are kept.
pub const MOST_EVENTS: u64 = 255;

/// Words of an event.
pub const EVENT_WORDS: usize = 10;

/// Most pages of the memory that the server writes events to: all of them fit.
pub const MOST_PAGES: u64 = 5;

/// Bytes of the unit that a region has no offset in: of what has no place in a window.
pub const NOWHERE: u64 = u64::MAX;

/// What has happened: Linux's five trace points, and two ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum EventKind {
    /// A region was granted, or a static part: `percpu_alloc_percpu`.
    Alloc = 1,
    /// A region was destroyed: `percpu_free_percpu`.
    Free = 2,
    /// A request that changes something was refused: `percpu_alloc_percpu_fail`, if it has asked for memory.
    AllocFail = 3,
    /// A memory object was made: `percpu_create_chunk`.
    CreateChunk = 4,
    /// A memory object was given back: `percpu_destroy_chunk`.
    DestroyChunk = 5,
    /// A client has ended, and all that it held is free.
    ClientEnd = 6,
    /// This server follows another one, whose memory objects are gone, but for those that are told of next.
    ServerStart = 7,
}

impl EventKind {
    /// Reads the word back; `None` for one that means nothing.
    #[must_use]
    pub const fn from_word(word: u64) -> Option<EventKind> {
        match word {
            1 => Some(EventKind::Alloc),
            2 => Some(EventKind::Free),
            3 => Some(EventKind::AllocFail),
            4 => Some(EventKind::CreateChunk),
            5 => Some(EventKind::DestroyChunk),
            6 => Some(EventKind::ClientEnd),
            7 => Some(EventKind::ServerStart),
            _ => None,
        }
    }
}

/// An event. What does not apply to its kind is 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Event {
    /// Its number: one more than that of the event before, from 1 on, also across servers.
    pub sequence: u64,
    /// An [`EventKind`].
    pub kind: u8,
    /// The number of the request.
    pub request: u8,
    /// A [`super::map::Kind`]: reserved, dynamic, or populated on touch.
    pub pool: u8,
    /// The label of the refusal.
    pub refusal: u8,
    /// The client's badge.
    pub badge: u64,
    /// The client's name, as init has given it.
    pub name: [u64; 2],
    /// The region's id; of a chunk, the server's handle of it; of a start, how many there were before.
    pub region: u64,
    /// Bytes of one unit: asked for, or of a chunk; of a client that has ended, what its regions took.
    pub bytes: u64,
    /// The alignment that was asked for.
    pub align: u64,
    /// Where a region begins in every unit, [`NOWHERE`] for a chunk; the first word of the refusal.
    pub offset: u64,
    /// Bytes of one unit that a region takes; the second word of the refusal; how many regions a client had.
    pub more: u64,
}

impl Event {
    /// As words.
    #[must_use]
    #[inline(always)]
    pub const fn encode(&self) -> [u64; EVENT_WORDS] {
        let what = self.kind as u64
            | (self.request as u64) << 8
            | (self.pool as u64) << 16
            | (self.refusal as u64) << 24;
        [
            self.sequence,
            what,
            self.badge,
            self.name[0],
            self.name[1],
            self.region,
            self.bytes,
            self.align,
            self.offset,
            self.more,
        ]
    }

    /// From words.
    #[must_use]
    pub const fn decode(w: &[u64; EVENT_WORDS]) -> Event {
        let [kind, request, pool, refusal, ..] = w[1].to_le_bytes();
        Event {
            sequence: w[0],
            kind,
            request,
            pool,
            refusal,
            badge: w[2],
            name: [w[3], w[4]],
            region: w[5],
            bytes: w[6],
            align: w[7],
            offset: w[8],
            more: w[9],
        }
    }

    /// Why a request was refused; none for an event of another kind.
    #[must_use]
    pub fn cause(&self) -> Option<PercpuError> {
        let words = [self.offset, self.more, 0, 0, 0, 0];
        PercpuError::from_answer(&crate::Message::new(u64::from(self.refusal), words)).err()
    }
}
