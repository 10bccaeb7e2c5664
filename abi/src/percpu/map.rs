//! The map: the server's counters and every region, as it writes them to shared memory.
//!
//! A head of [`HEAD_WORDS`] words, then an entry of [`ENTRY_WORDS`] words and one more for each node for each region, then a
//! [`Chunk`] for each memory object of the pools and each window, and behind these, for those who may observe, an [`Owner`]
//! for each client, as far as there is room.

/// Most pages of the memory that the server writes a map to.
pub const MOST_PAGES: u64 = 64;

/// Words of the head.
pub const HEAD_WORDS: usize = 32;

/// Words of an entry before the frames on each node.
pub const ENTRY_WORDS: usize = 8;

/// Places of words in the head.
pub mod head {
    #![expect(
        missing_docs,
        reason = "each is the place of the counter of that name; pages are of one unit"
    )]
    pub const VERSION: usize = 0;
    pub const ENTRIES: usize = 1;
    pub const ENTRIES_IN_ALL: usize = 2;
    pub const POSSIBLE_CPUS: usize = 3;
    pub const NODES: usize = 4;
    pub const STRIDE: usize = 5;
    pub const CLIENTS: usize = 6;
    pub const REGIONS: usize = 7;
    pub const RESERVED_PAGES: usize = 8;
    pub const RESERVED_USED: usize = 9;
    pub const FIRST_DYNAMIC_PAGES: usize = 10;
    pub const DYNAMIC_PAGES: usize = 11;
    pub const DYNAMIC_USED: usize = 12;
    pub const ON_TOUCH_PAGES: usize = 13;
    pub const ON_TOUCH_USED: usize = 14;
    /// Memory objects that the pools consist of.
    pub const STOCKS: usize = 15;
    pub const GRANTED: usize = 16;
    pub const DESTROYED: usize = 17;
    pub const REFUSED: usize = 18;
    pub const MALFORMED: usize = 19;
    /// Clients that have ended.
    pub const BURIED: usize = 20;
    /// Answers that were given from the note of a window.
    pub const ANSWERED_AGAIN: usize = 21;
    /// Servers before this one.
    pub const RESTARTS: usize = 22;
    /// Most pages of dynamic and on-touch memory that were in use at once, in this server's time.
    pub const MOST_USED: usize = 23;
    /// Smallest and largest region that was ever granted, in pages.
    pub const SMALLEST: usize = 24;
    pub const LARGEST: usize = 25;
    /// Most regions, and most memory objects of the pools, that there ever were at once.
    pub const MOST_REGIONS: usize = 26;
    pub const MOST_STOCKS: usize = 27;
    /// Free pages of dynamic memory that need not be cleared when they are given out.
    pub const DYNAMIC_CLEAN: usize = 28;
    /// How many chunks are told, and at which word they begin.
    pub const CHUNKS: usize = 29;
    pub const CHUNKS_AT: usize = 30;
    /// How many owners are told, behind the last chunk; none to those who may not observe.
    pub const OWNERS: usize = 31;
}

/// What a region's pages are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Kind {
    /// A client's static part.
    Static = 0,
    /// Reserved pages of the first chunk.
    Reserved = 1,
    /// Dynamic pages.
    Dynamic = 2,
    /// Pages that are populated on touch.
    OnTouch = 3,
}

impl Kind {
    /// Reads the word back; `None` for one that means nothing.
    #[must_use]
    pub const fn from_word(word: u64) -> Option<Kind> {
        match word {
            0 => Some(Kind::Static),
            1 => Some(Kind::Reserved),
            2 => Some(Kind::Dynamic),
            3 => Some(Kind::OnTouch),
            _ => None,
        }
    }
}

/// The first words of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Whose it is.
    pub badge: u64,
    /// Its id; all ones for a static part.
    pub region: u64,
    /// Its first page in the window.
    pub first: u64,
    /// Its pages.
    pub pages: u64,
    /// A [`Kind`].
    pub kind: u64,
    /// Pages of it that are populated, or may be by a touch.
    pub held: u64,
    /// Its name.
    pub name: [u64; 2],
}

impl Entry {
    /// As words.
    #[must_use]
    pub const fn encode(&self) -> [u64; ENTRY_WORDS] {
        [
            self.badge,
            self.region,
            self.first,
            self.pages,
            self.kind,
            self.held,
            self.name[0],
            self.name[1],
        ]
    }

    /// From words.
    #[must_use]
    pub const fn decode(w: &[u64; ENTRY_WORDS]) -> Entry {
        Entry {
            badge: w[0],
            region: w[1],
            first: w[2],
            pages: w[3],
            kind: w[4],
            held: w[5],
            name: [w[6], w[7]],
        }
    }
}

/// Words of a [`Chunk`].
pub const CHUNK_WORDS: usize = 8;

/// What a chunk is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum ChunkKind {
    /// The first chunk's reserved part.
    Reserved = 0,
    /// The first chunk's dynamic part.
    First = 1,
    /// Populated memory that was made.
    Dynamic = 2,
    /// Memory that is populated on touch.
    OnTouch = 3,
    /// The pages of a unit of a client's window.
    Window = 4,
}

impl ChunkKind {
    /// Reads the word back; `None` for one that means nothing.
    #[must_use]
    pub const fn from_word(word: u64) -> Option<ChunkKind> {
        match word {
            0 => Some(ChunkKind::Reserved),
            1 => Some(ChunkKind::First),
            2 => Some(ChunkKind::Dynamic),
            3 => Some(ChunkKind::OnTouch),
            4 => Some(ChunkKind::Window),
            _ => None,
        }
    }
}

/// What Linux tells of a chunk, in pages of one unit (O4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chunk {
    /// A [`ChunkKind`].
    pub kind: u64,
    /// The client's badge; 0 for what is nobody's alone.
    pub owner: u64,
    /// Pages in all.
    pub pages: u64,
    /// Pages that are taken.
    pub used: u64,
    /// Free pages that are populated and clean.
    pub clean: u64,
    /// Rows of free pages.
    pub free_rows: u64,
    /// Pages of the longest row.
    pub longest_row: u64,
    /// Of a window: pages with frames that the client may have.
    pub quota: u64,
}

impl Chunk {
    /// As words.
    #[must_use]
    pub const fn encode(&self) -> [u64; CHUNK_WORDS] {
        [
            self.kind,
            self.owner,
            self.pages,
            self.used,
            self.clean,
            self.free_rows,
            self.longest_row,
            self.quota,
        ]
    }

    /// From words.
    #[must_use]
    pub const fn decode(w: &[u64; CHUNK_WORDS]) -> Chunk {
        Chunk {
            kind: w[0],
            owner: w[1],
            pages: w[2],
            used: w[3],
            clean: w[4],
            free_rows: w[5],
            longest_row: w[6],
            quota: w[7],
        }
    }
}

/// Words of an [`Owner`].
pub const OWNER_WORDS: usize = 4;

/// Who a badge is (O7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner {
    /// The client's badge.
    pub badge: u64,
    /// Its name, as init has given it.
    pub name: [u64; 2],
    /// Pages of one unit that it holds, its static part among them.
    pub held: u64,
}

impl Owner {
    /// As words.
    #[must_use]
    pub const fn encode(&self) -> [u64; OWNER_WORDS] {
        [self.badge, self.name[0], self.name[1], self.held]
    }

    /// From words.
    #[must_use]
    pub const fn decode(w: &[u64; OWNER_WORDS]) -> Owner {
        Owner {
            badge: w[0],
            name: [w[1], w[2]],
            held: w[3],
        }
    }
}
