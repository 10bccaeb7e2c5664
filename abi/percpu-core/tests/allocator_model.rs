//! The allocator over a backing that keeps its own ledger and may run out of frames, chunks or storage:
//! areas never overlap, stand on frames, and every frame and chunk comes back. `verify` after each step.

use std::collections::BTreeMap;

use ledger::{CHUNKS, FIRST_PAGES, Ledger, Whole, allocator, storage};
use percpu_core::{
    AllocateError, Allocator, AllocatorSetup, AreaNeed, AreaOf, AreaRequest, Chunk, ChunkId, FreeError,
    FreeRule, Part, Reach, ReleaseError, Request, SetupError, UnitPart,
};
use proptest::prelude::*;

mod ledger;

#[derive(Clone, Debug)]
enum Step {
    Allocate(Request),
    Release(usize),
    ReleaseAgain,
    Balance,
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![3 => 1..300usize, 3 => 2000..9000usize, 1 => 9000..32_769usize];
    let request = (size, 0..13u32, 0..4u8, 0..8u8).prop_map(|(size, align, reach, part)| {
        let align = 1 << align;
        Step::Allocate(Request {
            need: AreaNeed::checked(AreaRequest { size, align }).expect("legal"),
            reach: if reach == 0 {
                Reach::PopulatedPages
            } else {
                Reach::AllPages
            },
            part: if part == 0 { Part::Reserved } else { Part::Dynamic },
        })
    });
    prop_oneof![
        6 => request,
        5 => any::<usize>().prop_map(Step::Release),
        1 => Just(Step::ReleaseAgain),
        2 => Just(Step::Balance),
    ]
}

/// Areas that are taken: sizes by chunk and offset.
type Areas = BTreeMap<(ChunkId, usize), usize>;

fn check_new(allocator: &Whole, areas: &Areas, taken: AreaOf, request: Request) {
    let AreaOf { chunk, area } = taken;
    assert_eq!(
        (area.size, area.offset % request.need.align()),
        (request.need.size(), 0)
    );
    let overlaps = |(&(owner, offset), &size): (&(ChunkId, usize), &usize)| {
        owner == chunk && offset < area.offset + area.size && area.offset < offset + size
    };
    assert!(!areas.iter().any(overlaps), "{taken:?} overlaps");
    assert_eq!(chunk == ChunkId::RESERVED, request.part == Part::Reserved);
    let pages = area.pages();
    let mut numbers = pages.first..pages.first + pages.count;
    let has_frame = |page| allocator.backing().frames.contains(&(chunk, page));
    assert!(chunk == ChunkId::RESERVED || chunk == ChunkId::FIRST || numbers.all(has_frame));
}

fn release(allocator: &mut Whole, areas: &mut Areas, name: (ChunkId, usize)) {
    let size = areas.remove(&name).expect("it is taken");
    assert_eq!(allocator.release(name.0, name.1).map(|area| area.size), Ok(size));
    let again = allocator.release(name.0, name.1);
    let offset = name.1;
    assert_eq!(again, Err(ReleaseError::InChunk(FreeError::NotTaken { offset })));
}

fn run(allocator: &mut Whole, areas: &mut Areas, steps: Vec<Step>) {
    for step in steps {
        match step.clone() {
            Step::Allocate(request) => {
                if let Ok(taken) = allocator.allocate(request) {
                    check_new(allocator, areas, taken, request);
                    areas.insert((taken.chunk, taken.area.offset), taken.area.size);
                }
            }
            Step::Release(seed) if !areas.is_empty() => {
                let name = areas.keys().nth(seed % areas.len()).copied();
                release(allocator, areas, name.expect("there is one"));
            }
            Step::Release(_) | Step::ReleaseAgain => {
                let nowhere = allocator.release(ChunkId::FIRST, 1 << 40);
                assert!(matches!(
                    nowhere,
                    Err(ReleaseError::InChunk(FreeError::OutOfRange { .. }))
                ));
            }
            Step::Balance => allocator.balance(),
        }
        assert_eq!(allocator.verify(), Ok(()), "after {step:?}");
        assert_eq!(allocator.stats().current, areas.len() as u64);
        let frames = allocator.backing().frames.len();
        assert_eq!(allocator.populated_pages(), FIRST_PAGES + frames);
        assert_eq!(
            allocator.stats().chunks,
            1 + allocator.backing().places.len() as u64
        );
    }
}

proptest! {
    #[test]
    fn every_frame_is_accounted_for(
        steps in prop::collection::vec(step(), 1..150),
        limit in prop_oneof![0..30usize, Just(usize::MAX / 2)],
    ) {
        let (mut allocator, mut areas) = (allocator(limit), Areas::new());
        run(&mut allocator, &mut areas, steps);
        for name in areas.keys().copied().collect::<Vec<_>>() {
            release(&mut allocator, &mut areas, name);
        }
        // The second time finds the chunks that the first took pages from.
        allocator.balance();
        allocator.balance();
        prop_assert_eq!(allocator.verify(), Ok(()));
        prop_assert!(allocator.stats().chunks <= 2, "one spare chunk at most");
    }
}

fn request(size: usize, reach: Reach, part: Part) -> Request {
    let need = AreaNeed::checked(AreaRequest { size, align: 4 }).expect("legal");
    Request { need, reach, part }
}

#[test]
fn each_refusal_has_its_name() {
    let mut one = allocator(0);
    let reserved = request(4096, Reach::AllPages, Part::Reserved);
    assert!(one.allocate(reserved).is_ok());
    assert_eq!(one.allocate(reserved), Err(AllocateError::ReservedFull));
    let large = |reach| request(32_768, reach, Part::Dynamic);
    assert_eq!(
        one.allocate(large(Reach::PopulatedPages)),
        Err(AllocateError::NoPopulatedSpace)
    );
    assert!(one.is_balancing_wanted());
    assert_eq!(one.allocate(large(Reach::AllPages)), Err(AllocateError::NoFrames));
    let mut full = allocator(1000);
    let taken = (0..2 * (CHUNKS - 1)).map(|_| full.allocate(large(Reach::AllPages)));
    let taken: Vec<_> = taken.collect::<Result<_, _>>().expect("two fit in each chunk");
    assert_eq!(full.allocate(large(Reach::AllPages)), Err(AllocateError::NoChunk));
    for area in &taken {
        assert_eq!(full.release(area.chunk, area.area.offset), Ok(area.area));
    }
    // Once takes the pages, twice takes the chunks that were left without.
    full.balance();
    full.balance();
    let places = full.backing().places.clone();
    let gone: Vec<_> = taken
        .iter()
        .filter(|area| !places.contains(&area.chunk))
        .collect();
    assert_eq!(gone.len(), 2 * (CHUNKS - 2));
    // The second round is when others live where the chunks were.
    for _ in 0..2 {
        for area in &gone {
            let answer = full.release(area.chunk, area.area.offset);
            assert_eq!(answer, Err(ReleaseError::NoSuchChunk));
        }
        while full.allocate(large(Reach::AllPages)).is_ok() {}
    }
}

#[test]
fn a_unit_that_cannot_be_is_refused() {
    let refusal = |unit_size, dynamic_pages: usize| {
        let size = dynamic_pages * 4096;
        let part = UnitPart { offset: 0, size };
        let setup = AllocatorSetup {
            unit_size,
            first_pages: dynamic_pages,
            reserved: None,
            dynamic: Chunk::first(storage(dynamic_pages), part).expect("whole pages"),
            rule: FreeRule::Corrected,
        };
        Allocator::<_, CHUNKS>::new(setup, Ledger::default()).err()
    };
    assert_eq!(refusal(32_768, 8), None);
    for (unit_size, dynamic_pages) in [(32_768, 9), (28_672, 1), (34_816, 1), (0, 1), (1 << 33, 1)] {
        assert_eq!(
            refusal(unit_size, dynamic_pages),
            Some(SetupError::BadUnit { unit_size })
        );
    }
}
