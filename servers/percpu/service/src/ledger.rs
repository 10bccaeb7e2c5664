//! The ledger: what of the records outlives the server, in words that whoever lends them keeps.
//!
//! The kernel knows which pages of which memory lie in which window, each range with the id of its region, and
//! the last request of each window that took effect. The ledger has the rest: quotas, names, generations, the
//! extent of regions, and counters.
//!
//! A record is written in an order that makes every prefix of the writes harmless: what a record says while its
//! state is pending counts only if the window's note says that the request took effect.

use abi::percpu::ledger::ROSTER_WORDS;
use abi::percpu::{Name, map::Kind, name_of_words, name_words, number};

use crate::clients::MOST_CLIENTS;

mod trace;

/// Most regions of one client.
pub const MOST_REGIONS: usize = 512;

/// Words that outlive the server.
pub trait Words {
    /// One of them.
    fn read(&self, at: usize) -> u64;
    /// Changes one, before anything that comes later.
    fn write(&mut self, at: usize, word: u64);
    /// Adds to one, also while others do.
    fn add(&mut self, at: usize, more: u64);
    /// Changes several in a row, in their order.
    fn write_row<const N: usize>(&mut self, at: usize, row: &[u64; N]) {
        for (index, word) in row.iter().enumerate() {
            self.write(at + index, *word);
        }
    }
}

const PAGE_WORDS: usize = 512;
const COUNTERS: usize = PAGE_WORDS;
const CLIENTS: usize = 2 * PAGE_WORDS;
const CLIENT_WORDS: usize = 8;
const REGIONS: usize = 3 * PAGE_WORDS;
const REGION_WORDS: usize = 4;
/// The word of the last CPU that went or came on request.
const CPU_CHANGE: usize = COUNTERS + 32;
const TRACE: usize = REGIONS + MOST_CLIENTS * MOST_REGIONS * REGION_WORDS;

const _: () = assert!(ROSTER_WORDS <= PAGE_WORDS);
const _: () = assert!(MOST_CLIENTS * CLIENT_WORDS <= PAGE_WORDS);

/// The first counter of a ledger that was written in this way.
const FORMAT: u64 = 0x7065_7263_7075_0003;

/// What is counted for ever: each is what its name says, see `abi::percpu::map::head`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counter {
    Refused = 1,
    Malformed = 2,
    Granted = 3,
    Destroyed = 4,
    Buried = 5,
    AnsweredAgain = 6,
    Restarts = 7,
    Smallest = 8,
    Largest = 9,
    MostRegions = 10,
    MostStocks = 11,
    /// Events of the trace.
    Traced = 12,
}

/// Counts a message that was no request. The words may be in use by a service meanwhile.
pub fn count_malformed(words: &mut impl Words) {
    for counter in [Counter::Refused, Counter::Malformed] {
        words.add(COUNTERS + counter as usize, 1);
    }
}

/// How far a record is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It is nobody's.
    Free = 0,
    /// It becomes live with the request that the client intends.
    Making = 1,
    /// It counts.
    Live = 2,
    /// It becomes free with the request that the client intends.
    Ending = 3,
}

impl State {
    fn from_word(word: u64) -> State {
        match word & 0xff {
            1 => State::Making,
            2 => State::Live,
            3 => State::Ending,
            _ => State::Free,
        }
    }

    /// What a pending state comes to.
    pub fn settle(self, has_happened: bool) -> State {
        match (self, has_happened) {
            (State::Making, true) | (State::Ending, false) => State::Live,
            (State::Making, false) | (State::Ending, true) => State::Free,
            (settled, _) => settled,
        }
    }
}

/// A client as the ledger knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientRecord {
    /// How far it is.
    pub state: State,
    /// Who it is.
    pub badge: u64,
    /// Pages per unit that it may hold.
    pub quota_pages: u64,
    /// Pages of its static part.
    pub static_pages: u64,
    /// The number of the request that is under way, or was the last one.
    pub intent: u64,
    /// The number of the request that attached it.
    pub attached_by: u64,
    /// What it is called.
    pub name: [u64; 2],
}

/// A region as the ledger knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegionRecord {
    /// How far it is.
    pub state: State,
    /// The generation of the region, or of the next one here.
    pub generation: u32,
    /// What its pages are.
    pub kind: Kind,
    /// The first page of the window.
    pub first: u32,
    /// How many.
    pub pages: u32,
    /// For people.
    pub name: Name,
}

impl RegionRecord {
    /// The number of the request that grants such a region.
    pub fn request(&self) -> u8 {
        match self.kind {
            Kind::Reserved => number::RESERVE as u8,
            _ => number::CREATE as u8,
        }
    }
}

/// The words, with meaning.
#[derive(Debug)]
pub struct Ledger<W>(pub W);

impl<W: Words> Ledger<W> {
    /// Whether a server before this one has written it; it has from now on.
    pub fn open(&mut self) -> bool {
        let is_old = self.0.read(COUNTERS) == FORMAT;
        self.0.write(COUNTERS, FORMAT);
        is_old
    }

    /// A counter.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.0.read(COUNTERS + counter as usize)
    }

    /// Sets a counter.
    pub fn set_counter(&mut self, counter: Counter, value: u64) {
        self.0.write(COUNTERS + counter as usize, value);
    }

    /// Sets a counter that counts the most there ever was.
    pub fn raise(&mut self, counter: Counter, value: u64) {
        if value > self.counter(counter) {
            self.set_counter(counter, value);
        }
    }

    /// One more.
    pub fn count(&mut self, counter: Counter) {
        self.0.add(COUNTERS + counter as usize, 1);
    }

    /// A slot's client.
    pub fn client(&self, slot: usize) -> ClientRecord {
        let word = |at: usize| self.0.read(CLIENTS + slot * CLIENT_WORDS + at);
        ClientRecord {
            state: State::from_word(word(0)),
            badge: word(1),
            quota_pages: word(2),
            static_pages: word(3),
            intent: word(4),
            attached_by: word(5),
            name: [word(6), word(7)],
        }
    }

    /// Writes a slot's client, its state last.
    pub fn set_client(&mut self, slot: usize, record: &ClientRecord) {
        let at = CLIENTS + slot * CLIENT_WORDS;
        let [low, high] = record.name;
        let words = [
            record.badge,
            record.quota_pages,
            record.static_pages,
            record.intent,
            record.attached_by,
            low,
            high,
        ];
        self.0.write_row(at + 1, &words);
        self.set_client_state(slot, record.state);
    }

    /// Changes the state of a slot's client.
    pub fn set_client_state(&mut self, slot: usize, state: State) {
        self.0.write(CLIENTS + slot * CLIENT_WORDS, state as u64);
    }

    /// Changes a client's quota.
    pub fn set_quota(&mut self, slot: usize, quota_pages: u64) {
        self.0.write(CLIENTS + slot * CLIENT_WORDS + 2, quota_pages);
    }

    /// Notes which request is under way.
    pub fn intend(&mut self, slot: usize, number: u64) {
        self.0.write(CLIENTS + slot * CLIENT_WORDS + 4, number);
    }

    /// How far the record of the region in a place is, and its generation.
    #[inline(always)]
    pub fn region_head(&self, index: usize) -> (State, u32) {
        let head = self.0.read(REGIONS + index * REGION_WORDS);
        (State::from_word(head), ((head >> 32) as u32).max(1))
    }

    /// The region in a place.
    pub fn region(&self, index: usize) -> RegionRecord {
        let word = |at: usize| self.0.read(REGIONS + index * REGION_WORDS + at);
        let (head, extent) = (word(0), word(1));
        let (state, generation) = self.region_head(index);
        RegionRecord {
            state,
            generation,
            kind: Kind::from_word(head >> 8 & 0xff).unwrap_or(Kind::Dynamic),
            first: extent as u32,
            pages: (extent >> 32) as u32,
            name: name_of_words([word(2), word(3)]),
        }
    }

    /// Writes the region in a place, its state last.
    pub fn set_region(&mut self, index: usize, record: &RegionRecord) {
        let at = REGIONS + index * REGION_WORDS;
        let [low, high] = name_words(&record.name);
        let extent = u64::from(record.pages) << 32 | u64::from(record.first);
        self.0.write_row(at + 1, &[extent, low, high]);
        let head = u64::from(record.generation) << 32 | (record.kind as u64) << 8 | record.state as u64;
        self.0.write(at, head);
    }

    /// Changes the state of the region in a place.
    pub fn set_region_state(&mut self, index: usize, state: State) {
        let at = REGIONS + index * REGION_WORDS;
        let head = self.0.read(at);
        self.0.write(at, head & !0xff | state as u64);
    }

    /// The region in a place is gone: its id is stale from now on.
    pub fn retire_region(&mut self, index: usize) {
        let (_, generation) = self.region_head(index);
        let generation = generation.saturating_add(1);
        let head = u64::from(generation) << 32 | State::Free as u64;
        self.0.write(REGIONS + index * REGION_WORDS, head);
    }

    /// The CPU that went or came last on request, in a word of [`crate::service`]'s.
    pub fn cpu_change(&self) -> u64 {
        self.0.read(CPU_CHANGE)
    }

    /// Changes that.
    pub fn set_cpu_change(&mut self, word: u64) {
        self.0.write(CPU_CHANGE, word);
    }
}
