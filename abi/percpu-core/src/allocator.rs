//! `Allocator`: all chunks of a system, kept by how much space they have, and made, filled and emptied as
//! Linux does it (2.12 to 2.14).
//!
//! Chunks are in lists by their longest free run ([`Slots`]), and the fullest that may fit is tried
//! first. What cannot be done at once, making pages ready for callers that cannot wait and giving pages
//! back, is *balancing*: the allocator says when it is wanted, the caller says when it is done.
//!
//! Knows no address, CPU or frame: those are the [`Backing`]'s.
//!
//! Sources: A5 to A10, F5, F6, K7, K11, W1 to W4 of the model.

mod allocate;
mod backing;
mod balance;
mod error;
mod exact;
mod handles;
mod lists;
mod owned;
mod release;
mod stats;

pub use allocate::{AreaOf, Part, Request};
pub use backing::{Backing, ChunkId, NoFrames};
pub use error::{AllocateError, ReleaseError, SetupError};
pub use handles::{Handle, HandleError, HandleRecord, HandleTable, OwnerId};
use lists::Lists;
pub use owned::{OwnedAllocateError, OwnedReleaseError};
pub use stats::{AllocatorStats, MemoryUse};

use crate::{Chunk, Damage, FreeRule, MAX_CHUNK_PAGES, MIN_UNIT_SIZE, PAGE_SIZE, Slots};

/// Below so many empty pages balancing is wanted (K7).
pub const EMPTY_PAGES_LOW: isize = 2;

/// Balancing makes so many pages empty and ready, and reclaim leaves so many (K7).
pub const EMPTY_PAGES_HIGH: isize = 4;

/// What an allocator begins with.
#[derive(Debug)]
pub struct AllocatorSetup<'m> {
    /// Bytes of a unit: the size of every later chunk.
    pub unit_size: usize,
    /// Populated pages of the first chunk, the static part included (E8).
    pub first_pages: usize,
    /// The reserved part of the first chunk, if there is one.
    pub reserved: Option<Chunk<'m>>,
    /// The dynamic part of the first chunk.
    pub dynamic: Chunk<'m>,
    /// What later chunks do on a free; the parts above bring their own.
    pub rule: FreeRule,
}

/// All chunks of a system, at most `CHUNKS` besides the reserved part.
#[derive(Debug)]
pub struct Allocator<'m, B, const CHUNKS: usize> {
    entries: [Entry<'m>; CHUNKS],
    lists: Lists<CHUNKS>,
    reserved: Option<Chunk<'m>>,
    slots: Slots,
    rule: FreeRule,
    backing: B,
    stats: AllocatorStats,
    /// Of chunks that are not isolated; the reserved part never counts (K7).
    empty_pages: isize,
    populated_pages: usize,
    /// A caller that could not wait was refused since the last balancing (A8).
    atomic_failed: bool,
    is_balancing_wanted: bool,
    /// Nothing is refused before the maps were searched bit by bit (Z2).
    is_exact: bool,
    made: u32,
}

/// A place for a chunk. An isolated one is out of service for callers that have a choice (F5).
#[derive(Debug)]
struct Entry<'m> {
    chunk: Option<Chunk<'m>>,
    is_isolated: bool,
    number: u32,
}

/// One chunk in its list, for looking at.
#[derive(Clone, Copy, Debug)]
pub struct ListedChunk<'a, 'm> {
    /// The list that it is in.
    pub slot: usize,
    /// Its name.
    pub id: ChunkId,
    /// Whether its empty pages are about to go, or went (F5).
    pub is_isolated: bool,
    /// Its areas and pages.
    pub chunk: &'a Chunk<'m>,
}

impl<'m, B: Backing<'m>, const CHUNKS: usize> Allocator<'m, B, CHUNKS> {
    /// An allocator with the parts of the first chunk.
    ///
    /// # Errors
    ///
    /// [`SetupError::BadRoom`], [`SetupError::BadUnit`].
    pub fn new(setup: AllocatorSetup<'m>, backing: B) -> Result<Self, SetupError> {
        let (unit_size, pages) = (setup.unit_size, setup.unit_size / PAGE_SIZE as usize);
        if CHUNKS == 0 || CHUNKS >= usize::from(u16::MAX) {
            return Err(SetupError::BadRoom { chunks: CHUNKS });
        }
        let is_whole = unit_size.is_multiple_of(PAGE_SIZE as usize) && unit_size >= MIN_UNIT_SIZE as usize;
        if !is_whole || pages > MAX_CHUNK_PAGES || pages < setup.dynamic.pages() {
            return Err(SetupError::BadUnit { unit_size });
        }
        let mut allocator = Self {
            entries: core::array::from_fn(|_| Entry {
                chunk: None,
                is_isolated: false,
                number: 0,
            }),
            lists: Lists::empty(),
            reserved: setup.reserved,
            slots: Slots::new(unit_size),
            rule: setup.rule,
            backing,
            stats: AllocatorStats::new(unit_size),
            empty_pages: setup.dynamic.empty_pages(),
            populated_pages: setup.first_pages,
            atomic_failed: false,
            is_balancing_wanted: false,
            is_exact: false,
            made: 0,
        };
        allocator.enter(0, setup.dynamic);
        Ok(allocator)
    }

    /// The numbering of the lists.
    pub fn slots(&self) -> Slots {
        self.slots
    }

    /// Counts since the beginning (O3).
    pub fn stats(&self) -> &AllocatorStats {
        &self.stats
    }

    /// Populated pages that hold no area, without the reserved part and isolated chunks (K7).
    pub fn empty_pages(&self) -> isize {
        self.empty_pages
    }

    /// Populated pages of one unit of each chunk, added up. `Percpu:` is this times all units (O1).
    pub fn populated_pages(&self) -> usize {
        self.populated_pages
    }

    /// Whether [`balance`](Self::balance) has something to do.
    pub fn is_balancing_wanted(&self) -> bool {
        self.is_balancing_wanted
    }

    /// The system behind it.
    pub fn backing(&self) -> &B {
        &self.backing
    }

    /// The reserved part of the first chunk, if there is one.
    pub fn reserved(&self) -> Option<&Chunk<'m>> {
        self.reserved.as_ref()
    }

    /// All chunks but the reserved part, list by list, each from its front.
    pub fn chunks(&self) -> impl Iterator<Item = ListedChunk<'_, 'm>> + '_ {
        let in_slot = move |slot| self.lists.in_order(slot).map(move |index| (slot, index));
        (0..self.slots.count())
            .flat_map(in_slot)
            .filter_map(|(slot, index)| {
                let entry = &self.entries[index];
                Some(ListedChunk {
                    slot,
                    id: self.id(index),
                    is_isolated: entry.is_isolated,
                    chunk: entry.chunk.as_ref()?,
                })
            })
    }

    /// Checks every chunk, and that the count of empty pages is the sum of theirs.
    ///
    /// # Errors
    ///
    /// The first [`Damage`] found.
    pub fn verify(&self) -> Result<(), Damage> {
        let listed = self.chunks().map(|listed| listed.chunk);
        listed.chain(&self.reserved).try_for_each(Chunk::verify)?;
        let in_service = self.chunks().filter(|listed| !listed.is_isolated);
        let empty: isize = in_service.map(|listed| listed.chunk.empty_pages()).sum();
        match empty == self.empty_pages {
            true => Ok(()),
            false => Err(Damage::EmptyPages),
        }
    }

    fn id(&self, index: usize) -> ChunkId {
        ChunkId {
            index: index as u16,
            number: self.entries[index].number,
        }
    }

    fn enter(&mut self, index: usize, chunk: Chunk<'m>) {
        self.lists.move_to_front(index, self.slots.of_chunk(&chunk));
        self.entries[index] = Entry {
            chunk: Some(chunk),
            is_isolated: false,
            number: self.made,
        };
        self.made += 1;
        self.stats.count_chunk();
    }

    /// Changes a chunk, and its list and the counts with it. Isolated chunks stay where they are (K11).
    #[inline(always)]
    fn change<T>(&mut self, index: usize, change: impl FnOnce(&mut Chunk<'m>) -> T) -> Option<T> {
        let entry = self.entries.get_mut(index)?;
        let chunk = entry.chunk.as_mut()?;
        let (longest, empty) = (chunk.hints().contig, chunk.empty_pages());
        let answer = change(chunk);
        let (longest_now, empty_now) = (chunk.hints().contig, chunk.empty_pages());
        if !entry.is_isolated {
            self.empty_pages += empty_now - empty;
            if longest_now != longest {
                self.change_slot(index, longest, longest_now);
            }
        }
        Some(answer)
    }

    /// Populates pages of a chunk or the reverse, and the counts with it.
    fn change_pages<E>(
        &mut self,
        index: usize,
        change: impl FnOnce(&mut Chunk<'m>) -> Result<(), E>,
    ) -> bool {
        let counted = |chunk: &mut Chunk<'m>| {
            let before = chunk.populated_pages();
            let is_done = change(chunk).is_ok();
            (is_done, before, chunk.populated_pages())
        };
        let Some((is_done, before, now)) = self.change(index, counted) else {
            return false;
        };
        self.populated_pages = self.populated_pages + now - before;
        is_done
    }

    /// To a higher slot goes to the front, to a lower one to the back (K11). Longest known runs, in bits.
    #[inline(never)]
    fn change_slot(&mut self, index: usize, before: u32, now: u32) {
        let (before, now) = (self.slots.of_longest(before), self.slots.of_longest(now));
        if now > before {
            self.lists.move_to_front(index, now);
        } else if now < before {
            self.lists.move_to_back(index, now);
        }
    }

    /// An isolated chunk is in service again (A7, W2).
    #[inline]
    fn reintegrate(&mut self, index: usize) {
        if self.entries[index].is_isolated {
            self.end_isolation(index);
        }
    }

    #[inline(never)]
    fn end_isolation(&mut self, index: usize) {
        let entry = &mut self.entries[index];
        entry.is_isolated = false;
        if let Some(chunk) = &entry.chunk {
            self.empty_pages += chunk.empty_pages();
            self.lists.move_to_front(index, self.slots.of_chunk(chunk));
        }
    }
}
