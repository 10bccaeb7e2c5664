//! `Chunk`: the areas of a chunk, and hints that find space without looking at every bit.
//!
//! The same offsets are taken in every unit, so one map serves all CPUs. The map has a bit for each 4
//! bytes (K1) and a second one for where areas start and end (K2), so that a free needs no size. Each page
//! of the map is a *block* with [`Hints`] of its own (K3), and the chunk has one more for the whole (K4).
//! Decisions are Linux's, bit for bit; the one defect of Linux's free (Z1) is a switch, [`FreeRule`].
//!
//! Knows no CPU, no address and no owner. Whoever calls it fills pages with frames and says so. Storage
//! is lent, in one [`ChunkStorage`].
//!
//! Sources: sections 2.11 and 3.2 to 3.7 of the model.

mod bits;
mod error;
mod exact;
mod find;
mod first;
mod free;
mod hints;
mod look;
mod need;
mod pages;
mod rebuild;
mod slots;
mod storage;
mod take;
mod verify;
mod word;

use bits::Run;
pub use error::{ChunkError, Damage, FreeError, NoFit, PopulateError};
pub use first::{FirstParts, UnitPart};
pub use hints::Hints;
pub use look::{ChunkStats, PinnedPage};
pub use need::{AreaNeed, AreaRequest, MAX_AREA_ALIGN, MAX_AREA_SIZE, MIN_AREA_SIZE, NeedError};
pub use slots::{Slots, size_to_slot};
pub use storage::{ChunkStorage, MAX_CHUNK_PAGES};

/// Bits of a block: a page, 4 bytes a bit.
const BLOCK_BITS: u32 = 1024;

/// One allocation: the same bytes in every unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Bytes from the chunk's first page on.
    pub offset: usize,
    /// Bytes, a multiple of 4.
    pub size: usize,
}

/// Where an area may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Anywhere; the caller populates what is missing.
    AllPages,
    /// Only where every page is populated: the caller cannot wait for frames (A6).
    PopulatedPages,
}

/// What a free tells the chunk's hints when it stays in one page and does not empty it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FreeRule {
    /// The run that became free. What everybody wants.
    #[default]
    Corrected,
    /// Nothing outside the first page, as Linux does up to 2026 (Z1). For replaying what Linux recorded.
    Linux,
}

/// The areas of a chunk.
///
/// ```
/// use percpu_core::{AreaNeed, AreaRequest, Chunk, ChunkStorage, FreeError, Hints, Reach};
///
/// let (mut words, mut blocks) = ([0; ChunkStorage::words(8)], [Hints::default(); 8]);
/// let mut chunk = Chunk::new(ChunkStorage::split(&mut words, &mut blocks, 8)?, 8)?;
/// let need = AreaNeed::checked(AreaRequest { size: 24, align: 8 })?;
/// let area = chunk.allocate(need, Reach::AllPages)?;
/// assert_eq!(chunk.free(area.offset + 4), Err(FreeError::Interior { offset: 4 }));
/// assert_eq!(chunk.free(area.offset), Ok(area));
/// assert_eq!(chunk.free(area.offset), Err(FreeError::NotTaken { offset: 0 }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Chunk<'m> {
    storage: ChunkStorage<'m>,
    hints: Hints,
    pages: u32,
    /// Bits at the start and at the end that belong to somebody else (E6).
    head_bits: u32,
    tail_bits: u32,
    free_bits: u32,
    populated_pages: u32,
    /// Negative while an area is taken and its pages are not populated yet.
    empty_pages: i32,
    areas: u32,
    largest_area_bits: u32,
    rule: FreeRule,
}

impl<'m> Chunk<'m> {
    /// A chunk of this many pages, all free, none populated. What the storage held is overwritten.
    ///
    /// # Errors
    ///
    /// [`ChunkError::NoPages`], [`ChunkError::TooManyPages`], [`ChunkError::StorageTooSmall`].
    pub fn new(storage: ChunkStorage<'m>, pages: usize) -> Result<Self, ChunkError> {
        let storage = storage.cleared(pages)?;
        let pages = pages as u32;
        Ok(Self {
            storage,
            hints: Hints::all_free(pages * BLOCK_BITS),
            pages,
            head_bits: 0,
            tail_bits: 0,
            free_bits: pages * BLOCK_BITS,
            populated_pages: 0,
            empty_pages: 0,
            areas: 0,
            largest_area_bits: 0,
            rule: FreeRule::Corrected,
        })
    }

    /// The same chunk with another rule for frees.
    #[must_use]
    pub fn with_free_rule(mut self, rule: FreeRule) -> Self {
        self.rule = rule;
        self
    }

    /// Gives the storage back. What was allocated is forgotten.
    pub fn into_storage(self) -> ChunkStorage<'m> {
        self.storage
    }

    /// Takes an area, where Linux would (3.4).
    ///
    /// # Errors
    ///
    /// [`NoFit::ByHints`] if the hints know of no place, although there may be one (Z2);
    /// [`NoFit::BySearch`] if they named a place and no fit is near it. Nothing is changed.
    pub fn allocate(&mut self, need: AreaNeed, reach: Reach) -> Result<Area, NoFit> {
        let from = self.find(need, reach).ok_or(NoFit::ByHints)?;
        let run = self.take_near(need, from).ok_or(NoFit::BySearch)?;
        self.count_area(need);
        Ok(area_of(run))
    }

    #[inline]
    fn count_area(&mut self, need: AreaNeed) {
        self.areas += 1;
        self.largest_area_bits = self.largest_area_bits.max(need.bits());
    }

    /// What is known about the chunk as a whole.
    pub const fn hints(&self) -> &Hints {
        &self.hints
    }

    /// What is known about each page.
    pub fn block_hints(&self) -> &[Hints] {
        &self.storage.blocks[..self.pages as usize]
    }

    /// Pages of the chunk in one unit.
    pub const fn pages(&self) -> usize {
        self.pages as usize
    }

    /// Bytes in no area and not hidden.
    pub const fn free_bytes(&self) -> usize {
        self.free_bits as usize * MIN_AREA_SIZE
    }

    /// Bytes at the start that belong to another part of the unit (E6).
    pub const fn head_bytes(&self) -> usize {
        self.head_bits as usize * MIN_AREA_SIZE
    }

    /// Bytes at the end that belong to another part of the unit (E6).
    pub const fn tail_bytes(&self) -> usize {
        self.tail_bits as usize * MIN_AREA_SIZE
    }

    /// Pages that are populated.
    pub const fn populated_pages(&self) -> usize {
        self.populated_pages as usize
    }

    /// Bytes of the storage that was lent for its records.
    pub const fn record_bytes(&self) -> usize {
        self.storage.bytes()
    }

    /// Populated pages without any area, less the pages of areas that are not populated yet (K7).
    pub const fn empty_pages(&self) -> isize {
        self.empty_pages as isize
    }

    /// Areas that are taken.
    pub const fn areas(&self) -> usize {
        self.areas as usize
    }

    /// Bytes of the largest area there ever was.
    pub const fn largest_area(&self) -> usize {
        self.largest_area_bits as usize * MIN_AREA_SIZE
    }

    /// Whether this offset in bytes is in an area or hidden; `None` behind the chunk.
    pub fn is_taken(&self, offset: usize) -> Option<bool> {
        let bit = u32::try_from(offset / MIN_AREA_SIZE).ok()?;
        (bit < self.bits()).then(|| bits::is_set(self.storage.areas, bit))
    }

    /// Bytes of the longest free run, looked up bit by bit rather than known by hint.
    pub fn longest_free(&self) -> usize {
        let longest = self.free_runs().map(Run::len).max();
        longest.unwrap_or(0) as usize * MIN_AREA_SIZE
    }

    const fn bits(&self) -> u32 {
        self.pages * BLOCK_BITS
    }

    fn free_runs(&self) -> impl Iterator<Item = Run> + '_ {
        bits::clear_runs(self.storage.areas, Run::new(0, self.bits()))
    }

    /// The area map of one block.
    fn block_map(&self, block: u32) -> &[u64] {
        storage::block_words(self.storage.areas, block)
    }
}

const fn area_of(run: Run) -> Area {
    Area {
        offset: run.start as usize * MIN_AREA_SIZE,
        size: run.len() as usize * MIN_AREA_SIZE,
    }
}
