//! A backing that knows which page of which chunk has frames, and stops on any disorder.

use std::collections::BTreeSet;

use percpu_core::{
    Allocator, AllocatorSetup, Backing, Chunk, ChunkId, ChunkStorage, FreeRule, Hints, NoFrames, PageRange,
    UnitPart,
};

const UNIT_PAGES: usize = 16;
pub const FIRST_PAGES: usize = 5;
pub const CHUNKS: usize = 5;

/// Which pages have frames, and how many may still have.
#[derive(Default)]
pub struct Ledger {
    pub places: BTreeSet<ChunkId>,
    pub frames: BTreeSet<(ChunkId, usize)>,
    limit: usize,
}

/// Storage that lives until the end.
pub fn storage(pages: usize) -> ChunkStorage<'static> {
    let words = vec![0; ChunkStorage::words(pages)].leak();
    let blocks = vec![Hints::default(); pages].leak();
    ChunkStorage::split(words, blocks, pages).expect("enough")
}

impl Backing<'static> for Ledger {
    fn create(&mut self, chunk: ChunkId) -> Option<ChunkStorage<'static>> {
        assert!(self.places.insert(chunk), "{chunk:?} is named twice");
        Some(storage(UNIT_PAGES))
    }

    fn destroy(&mut self, chunk: ChunkId, _: ChunkStorage<'static>) {
        assert!(self.places.remove(&chunk));
        assert!(
            self.frames.iter().all(|(owner, _)| *owner != chunk),
            "{chunk:?} still has frames"
        );
    }

    fn populate(&mut self, chunk: ChunkId, pages: PageRange) -> Result<(), NoFrames> {
        assert!(self.places.contains(&chunk));
        if self.frames.len() + pages.count > self.limit {
            return Err(NoFrames);
        }
        for page in pages.first..pages.first + pages.count {
            assert!(
                self.frames.insert((chunk, page)),
                "page {page} is populated twice"
            );
        }
        Ok(())
    }

    fn depopulate(&mut self, chunk: ChunkId, pages: PageRange) {
        for page in pages.first..pages.first + pages.count {
            assert!(self.frames.remove(&(chunk, page)), "page {page} has no frame");
        }
    }

    fn flush(&mut self, chunk: ChunkId) {
        assert!(self.places.contains(&chunk));
    }
}

pub type Whole = Allocator<'static, Ledger, CHUNKS>;

/// An allocator with a page of reserved and three of dynamic memory, and frames for so many pages.
pub fn allocator(limit: usize) -> Whole {
    let part = |offset: usize, pages: usize| {
        let size = pages * 4096;
        Chunk::first(storage(pages), UnitPart { offset, size }).expect("a whole part")
    };
    let setup = AllocatorSetup {
        unit_size: UNIT_PAGES * 4096,
        first_pages: FIRST_PAGES,
        reserved: Some(part(4096, 1)),
        dynamic: part(8192, 3),
        rule: FreeRule::Corrected,
    };
    let ledger = Ledger {
        limit,
        ..Ledger::default()
    };
    Allocator::new(setup, ledger).expect("room for chunks")
}
