//! What a free does not do: ask for anything (F1). And what everything takes (O1).

use std::cell::Cell;

use percpu_core::{
    Allocator, AllocatorSetup, AreaNeed, AreaOf, AreaRequest, Backing, Chunk, ChunkId, ChunkStorage,
    FreeRule, Hints, NoFrames, PageRange, Part, Reach, Request, UnitPart,
};

const UNIT_PAGES: usize = 16;

/// Counts how often it is asked for something.
#[derive(Default)]
struct Asked(Cell<usize>);

impl Asked {
    fn count(&self) {
        self.0.set(self.0.get() + 1);
    }
}

fn storage(pages: usize) -> ChunkStorage<'static> {
    let words = vec![0; ChunkStorage::words(pages)].leak();
    let blocks = vec![Hints::default(); pages].leak();
    ChunkStorage::split(words, blocks, pages).expect("enough")
}

impl Backing<'static> for Asked {
    fn create(&mut self, _: ChunkId) -> Option<ChunkStorage<'static>> {
        self.count();
        Some(storage(UNIT_PAGES))
    }

    fn destroy(&mut self, _: ChunkId, _: ChunkStorage<'static>) {
        self.count();
    }

    fn populate(&mut self, _: ChunkId, _: PageRange) -> Result<(), NoFrames> {
        self.count();
        Ok(())
    }

    fn depopulate(&mut self, _: ChunkId, _: PageRange) {
        self.count();
    }

    fn flush(&mut self, _: ChunkId) {
        self.count();
    }
}

fn allocator() -> Allocator<'static, Asked, 8> {
    let part = |offset: usize, pages: usize| {
        let size = pages * 4096;
        Chunk::first(storage(pages), UnitPart { offset, size }).expect("a whole part")
    };
    let setup = AllocatorSetup {
        unit_size: UNIT_PAGES * 4096,
        first_pages: 5,
        reserved: Some(part(4096, 1)),
        dynamic: part(8192, 3),
        rule: FreeRule::Corrected,
    };
    Allocator::new(setup, Asked::default()).expect("room for chunks")
}

fn request(part: Part) -> Request {
    Request {
        need: AreaNeed::checked(AreaRequest { size: 2048, align: 8 }).expect("legal"),
        reach: Reach::AllPages,
        part,
    }
}

#[test]
fn a_free_asks_nothing_of_the_backing() {
    let mut allocator = allocator();
    let mut taken: Vec<AreaOf> = Vec::new();
    for part in [Part::Dynamic; 100].into_iter().chain([Part::Reserved; 2]) {
        taken.push(allocator.allocate(request(part)).expect("room"));
    }
    let before = allocator.backing().0.get();
    for area in taken {
        allocator
            .release(area.chunk, area.area.offset)
            .expect("it is live");
        assert_eq!(allocator.backing().0.get(), before);
    }
    // What there was to give back is given back by somebody who can wait.
    assert!(allocator.is_balancing_wanted());
    allocator.balance();
    assert!(allocator.backing().0.get() > before);
    assert_eq!(allocator.verify(), Ok(()));
}

#[test]
fn fillers_and_records_are_told_apart() {
    let mut allocator = allocator();
    let before = allocator.memory_use(8, 2);
    assert_eq!((before.on_cpus, before.on_fillers), (8 * 5 * 4096, 2 * 5 * 4096));
    assert_eq!(allocator.memory_use(8, 0).on_fillers, 0);
    let chunk = |pages| 8 * ChunkStorage::words(pages) + pages * size_of::<Hints>();
    let own = size_of_val(&allocator);
    assert_eq!(before.records, own + chunk(1) + chunk(3));
    // The first part has room for six of them.
    for _ in 0..7 {
        allocator.allocate(request(Part::Dynamic)).expect("room");
    }
    let after = allocator.memory_use(8, 2);
    assert_eq!(after.records - before.records, chunk(UNIT_PAGES));
    assert_eq!(after.on_cpus - before.on_cpus, 8 * 4096);
}
