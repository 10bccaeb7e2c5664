//! The allocator's backing: a chunk is a region, its pages are populated by the server.

use core::ptr::with_exposed_provenance_mut;

use percpu_core::{Backing, Chunk, ChunkId, ChunkStorage, Hints, NoFrames, PAGE_SIZE, PageRange, UnitPart};

use super::{AllocateError, checked};
use crate::memory::Mapping;
use crate::percpu::{self, Populate, Region};

/// Most chunks of an allocator.
pub const CHUNKS: usize = 24;
/// Pages of a chunk.
pub const CHUNK_PAGES: usize = 64;

const WORDS: usize = ChunkStorage::words(CHUNK_PAGES);

/// A chunk.
#[derive(Debug)]
struct Place {
    chunk: ChunkId,
    region: Region,
    /// A bit for each page that went back, but that the server has not taken: it is asked in [`Regions::flush`].
    kept: u64,
}

/// Regions by the chunks that they are.
#[derive(Debug)]
pub struct Regions {
    places: [Option<Place>; CHUNKS],
    /// Storage of chunks that are gone.
    spare: [Option<ChunkStorage<'static>>; CHUNKS],
    is_checked: bool,
    /// Why the last request was refused.
    cause: AllocateError,
}

impl Regions {
    /// The regions of an allocator, and its first chunk: one page.
    pub fn new(is_checked: bool) -> Result<(Regions, Chunk<'static>), AllocateError> {
        let region = Region::create(PAGE_SIZE, Populate::All, "areas")?;
        let mut regions = Regions {
            places: [const { None }; CHUNKS],
            spare: [const { None }; CHUNKS],
            is_checked,
            cause: AllocateError::NoRoom,
        };
        let part = UnitPart {
            offset: 0,
            size: PAGE_SIZE as usize,
        };
        let chunk =
            storage().and_then(|storage| Chunk::first(storage, part).map_err(|_| AllocateError::NoRoom));
        match chunk {
            Ok(chunk) => {
                let place = Place::new(ChunkId::FIRST, region);
                if is_checked {
                    place.poison(PageRange { first: 0, count: 1 });
                }
                regions.places[0] = Some(place);
                Ok((regions, chunk))
            }
            Err(error) => {
                region.destroy()?;
                Err(error)
            }
        }
    }

    /// Where a chunk begins in every unit.
    pub fn start_of(&self, chunk: ChunkId) -> Option<usize> {
        let places = self.places.iter().flatten();
        let mut starts = places.filter(|place| place.chunk == chunk).map(Place::start);
        starts.next()
    }

    /// The chunk that an offset of the window lies in, and where in it.
    pub fn find(&self, offset: usize) -> Option<(ChunkId, usize)> {
        self.places.iter().flatten().find_map(|place| {
            let within = offset.checked_sub(place.start())?;
            (within < place.region.bytes() as usize).then_some((place.chunk, within))
        })
    }

    /// Why the last request was refused.
    pub fn cause(&self) -> AllocateError {
        self.cause
    }

    /// Empty pages that the server has not taken back.
    pub fn kept_pages(&self) -> usize {
        let places = self.places.iter().flatten();
        places.map(|place| place.kept.count_ones() as usize).sum()
    }

    fn place(&mut self, chunk: ChunkId) -> Option<&mut Place> {
        self.places
            .iter_mut()
            .flatten()
            .find(|place| place.chunk == chunk)
    }

    fn make(&mut self, chunk: ChunkId) -> Result<ChunkStorage<'static>, AllocateError> {
        let place = self.places.iter_mut().find(|place| place.is_none());
        let place = place.ok_or(AllocateError::NoRoom)?;
        let region = Region::create((CHUNK_PAGES as u64) * PAGE_SIZE, Populate::None, "areas")?;
        let storage = match self.spare.iter_mut().find_map(Option::take) {
            Some(storage) => Ok(storage),
            None => storage(),
        };
        match storage {
            Ok(storage) => {
                *place = Some(Place::new(chunk, region));
                Ok(storage)
            }
            Err(error) => {
                region.destroy()?;
                Err(error)
            }
        }
    }
}

impl Place {
    fn new(chunk: ChunkId, region: Region) -> Place {
        let kept = 0;
        Place { chunk, region, kept }
    }

    fn start(&self) -> usize {
        self.region.offset() as usize
    }

    fn depopulate(&self, pages: PageRange) -> Result<(), percpu::Error> {
        self.region.depopulate(pages.first as u64, pages.count as u64)
    }

    /// Fills new pages as what is free is filled.
    fn poison(&self, pages: PageRange) {
        let start = self.start() + pages.first * PAGE_SIZE as usize;
        checked::poison(start, pages.count * PAGE_SIZE as usize);
    }
}

/// A bit for each page.
fn bits(pages: PageRange) -> u64 {
    const {
        assert!(
            CHUNK_PAGES == u64::BITS as usize,
            "a word has a bit for each page"
        )
    };
    let of = |count: usize| u64::MAX.checked_shr((CHUNK_PAGES - count) as u32).unwrap_or(0);
    of(pages.first + pages.count) & !of(pages.first)
}

/// The runs of pages that have a bit, ascending.
fn runs(mut left: u64) -> impl Iterator<Item = PageRange> {
    core::iter::from_fn(move || {
        let first = (left != 0).then_some(left.trailing_zeros() as usize)?;
        let count = (left >> first).trailing_ones() as usize;
        let pages = PageRange { first, count };
        left &= !bits(pages);
        Some(pages)
    })
}

impl Backing<'static> for Regions {
    fn create(&mut self, chunk: ChunkId) -> Option<ChunkStorage<'static>> {
        // Should the allocator refuse without asking, then because it can have no more.
        self.cause = AllocateError::NoRoom;
        let made = self.make(chunk);
        made.inspect_err(|error| self.cause = *error).ok()
    }

    fn destroy(&mut self, chunk: ChunkId, storage: ChunkStorage<'static>) {
        let is_it = |place: &mut Place| place.chunk == chunk;
        if let Some(place) = self.places.iter_mut().find_map(|place| place.take_if(is_it)) {
            // The server refuses only what is not ours. Its pages stay with us then, unused.
            let _ = place.region.destroy();
        }
        if let Some(place) = self.spare.iter_mut().find(|place| place.is_none()) {
            *place = Some(storage);
        }
    }

    fn populate(&mut self, chunk: ChunkId, pages: PageRange) -> Result<(), NoFrames> {
        let is_checked = self.is_checked;
        let place = self.place(chunk).ok_or(NoFrames)?;
        match place.region.populate(pages.first as u64, pages.count as u64) {
            Ok(()) => {
                place.kept &= !bits(pages);
                if is_checked {
                    place.poison(pages);
                }
                Ok(())
            }
            Err(error) => {
                self.cause = error.into();
                Err(NoFrames)
            }
        }
    }

    /// Remembers it: a chunk that goes takes its pages with it, in one request.
    fn depopulate(&mut self, chunk: ChunkId, pages: PageRange) {
        if let Some(place) = self.place(chunk) {
            place.kept |= bits(pages);
        }
    }

    /// Gives the pages back, run by run. The server answers when no CPU translates their addresses any more. What it
    /// refuses stays for the next time.
    fn flush(&mut self, chunk: ChunkId) {
        if let Some(place) = self.place(chunk) {
            let kept = place.kept;
            let refused = runs(kept).filter(|pages| place.depopulate(*pages).is_err());
            place.kept = refused.fold(0, |refused, pages| refused | bits(pages));
        }
    }
}

/// Memory for the records of one chunk. It is never given back: chunks that come later use it again.
fn storage() -> Result<ChunkStorage<'static>, AllocateError> {
    let bytes = WORDS * size_of::<u64>() + CHUNK_PAGES * size_of::<Hints>();
    let mapping = Mapping::own((bytes as u64).div_ceil(PAGE_SIZE))?;
    let words = with_exposed_provenance_mut::<u64>(mapping.address());
    let hints = with_exposed_provenance_mut::<Hints>(mapping.address() + WORDS * size_of::<u64>());
    const { assert!(align_of::<Hints>() <= align_of::<u64>()) };
    core::mem::forget(mapping);
    for index in 0..CHUNK_PAGES {
        // SAFETY: new memory of ours, with room for so many behind the words, aligned by the assertion.
        unsafe { hints.add(index).write(Hints::default()) };
    }
    // SAFETY: the mapping is forgotten, so the memory is ours for ever. New frames are zero, which is a `u64`.
    let words = unsafe { core::slice::from_raw_parts_mut(words, WORDS) };
    // SAFETY: written above; the two do not overlap.
    let hints = unsafe { core::slice::from_raw_parts_mut(hints, CHUNK_PAGES) };
    ChunkStorage::split(words, hints, CHUNK_PAGES).map_err(|_| AllocateError::NoRoom)
}
