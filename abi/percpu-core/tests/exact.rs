//! The exact mode against a model that looks everywhere: whatever it refuses does not fit, and it makes a
//! chunk only if nothing fits in those that there are (Z2).

use ledger::{CHUNKS, Whole, allocator};
use percpu_core::{
    AllocateError, Area, AreaNeed, AreaOf, AreaRequest, Chunk, ChunkId, ChunkStorage, FreeRule, Hints, NoFit,
    PageRange, Part, Reach, Request,
};
use proptest::prelude::*;

mod ledger;

/// Whether there is a place in a chunk with these areas: looked up at every multiple of the alignment.
fn has_fit(chunk: &Chunk<'_>, areas: impl Iterator<Item = Area>, need: AreaNeed, reach: Reach) -> bool {
    let mut is_free = vec![true; chunk.pages() * 1024];
    for area in areas {
        is_free[area.offset / 4..(area.offset + area.size) / 4].fill(false);
    }
    for page in 0..chunk.pages() {
        if reach == Reach::PopulatedPages && chunk.is_populated(page) == Some(false) {
            is_free[page * 1024..(page + 1) * 1024].fill(false);
        }
    }
    let mut behind_taken = 0;
    for (bit, free) in is_free.iter().enumerate() {
        let start = (behind_taken * 4usize).next_multiple_of(need.align());
        match free {
            true if start + need.size() <= (bit + 1) * 4 => return true,
            true => {}
            false => behind_taken = bit + 1,
        }
    }
    false
}

fn has_fit_anywhere(allocator: &Whole, live: &[AreaOf], request: Request, reach: Reach) -> bool {
    let of_chunk = |id: ChunkId| {
        live.iter()
            .filter(move |area| area.chunk == id)
            .map(|area| area.area)
    };
    match (request.part, allocator.reserved()) {
        (Part::Reserved, Some(reserved)) => {
            has_fit(reserved, of_chunk(ChunkId::RESERVED), request.need, reach)
        }
        _ => allocator
            .chunks()
            .any(|listed| has_fit(listed.chunk, of_chunk(listed.id), request.need, reach)),
    }
}

#[derive(Clone, Debug)]
enum Step {
    Allocate(Request),
    Release(usize),
    Balance,
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![3 => 1..300usize, 3 => 2000..9000usize, 1 => 9000..32_769usize];
    let request = (size, 0..13u32, any::<bool>(), 0..8u8).prop_map(|(size, align, can_wait, part)| {
        let align = 1 << align;
        Step::Allocate(Request {
            need: AreaNeed::checked(AreaRequest { size, align }).expect("legal"),
            reach: if can_wait {
                Reach::AllPages
            } else {
                Reach::PopulatedPages
            },
            part: if part == 0 { Part::Reserved } else { Part::Dynamic },
        })
    });
    prop_oneof![6 => request, 5 => any::<usize>().prop_map(Step::Release), 1 => Just(Step::Balance)]
}

fn allocate(allocator: &mut Whole, live: &[AreaOf], request: Request) -> Option<AreaOf> {
    let (fits, fits_populated) = (
        has_fit_anywhere(allocator, live, request, request.reach),
        has_fit_anywhere(allocator, live, request, Reach::PopulatedPages),
    );
    let made = allocator.stats().chunks_made;
    let answer = allocator.allocate(request);
    let is_proven = match answer {
        Ok(_) => fits == (allocator.stats().chunks_made == made),
        Err(AllocateError::NoFrames) => !fits_populated,
        Err(_) => !fits,
    };
    assert!(is_proven, "{request:?} gives {answer:?}, and fits: {fits}");
    answer.ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn a_refusal_means_that_no_fit_exists(
        steps in prop::collection::vec(step(), 1..200),
        limit in prop_oneof![0..30usize, Just(usize::MAX / 2)],
    ) {
        let mut allocator = allocator(limit).with_exact_search();
        let mut live: Vec<AreaOf> = Vec::new();
        for step in steps {
            match step.clone() {
                Step::Allocate(request) => {
                    let taken = allocate(&mut allocator, &live, request);
                    live.extend(taken);
                },
                Step::Release(seed) if !live.is_empty() => {
                    let area = live.swap_remove(seed % live.len());
                    prop_assert_eq!(allocator.release(area.chunk, area.area.offset), Ok(area.area));
                }
                Step::Release(_) => {}
                Step::Balance => allocator.balance(),
            }
            prop_assert_eq!(allocator.verify(), Ok(()), "after {:?}", step);
        }
    }
}

fn need(size: usize, align: usize) -> AreaNeed {
    AreaNeed::checked(AreaRequest { size, align }).expect("legal")
}

/// The longest free run is known, but its start is badly aligned, and the gate looks at nothing else.
#[test]
fn hints_miss_what_the_exact_search_finds() {
    let (mut words, mut blocks) = ([0; ChunkStorage::words(3)], [Hints::default(); 3]);
    let mut chunk = Chunk::new(
        ChunkStorage::split(&mut words, &mut blocks, 3).expect("enough"),
        3,
    )
    .expect("3");
    chunk.populate(PageRange { first: 0, count: 3 }).expect("none is");
    let page = chunk
        .allocate(need(4096, 4096), Reach::AllPages)
        .expect("all is free");
    let small = chunk
        .allocate(need(8, 4), Reach::AllPages)
        .expect("two pages are free");
    // Free: page 0, and the rest of pages 1 and 2 as the longest run, of which a page is aligned.
    chunk
        .allocate(need(4096, 4), Reach::AllPages)
        .expect("so much is free");
    chunk.free(page.offset).expect("it was taken");
    assert_eq!(small.offset, 4096);
    let whole = need(4096, 4096);
    let by_hints = chunk.allocate(whole, Reach::AllPages);
    let area = by_hints.or_else(|_| chunk.allocate_exactly(whole, Reach::AllPages));
    assert_eq!(area.map(|area| area.offset), Ok(0));
    assert_eq!(chunk.verify(), Ok(()));
    assert_eq!(chunk.allocate_exactly(whole, Reach::AllPages), Err(NoFit::Proven));
    assert_eq!(chunk.verify(), Ok(()));
}

#[test]
fn a_populated_place_is_taken_when_frames_run_out() {
    let mut allocator = allocator(0).with_exact_search();
    let request = |size, reach| Request {
        need: need(size, 4),
        reach,
        part: Part::Dynamic,
    };
    // Fills the first chunk but for a hole that only the exact search may see.
    let mut taken = Vec::new();
    while let Ok(area) = allocator.allocate(request(1024, Reach::PopulatedPages)) {
        taken.push(area);
    }
    assert_eq!(
        allocator.allocate(request(1024, Reach::AllPages)),
        Err(AllocateError::NoFrames)
    );
    let hole = taken[taken.len() / 2];
    allocator
        .release(hole.chunk, hole.area.offset)
        .expect("it is live");
    assert_eq!(allocator.allocate(request(1024, Reach::AllPages)), Ok(hole));
    assert!(allocator.stats().chunks <= CHUNKS as u64);
}

/// With Linux's rule a full chunk learns nothing of frees in its second page (Z1). The first hole is too
/// short, and the fit begins before the end of where it would have been.
#[test]
fn the_first_fit_is_taken() {
    let (mut words, mut blocks) = ([0; ChunkStorage::words(2)], [Hints::default(); 2]);
    let storage = ChunkStorage::split(&mut words, &mut blocks, 2).expect("enough");
    let mut chunk = Chunk::new(storage, 2)
        .expect("two pages")
        .with_free_rule(FreeRule::Linux);
    while chunk.allocate(need(8, 4), Reach::AllPages).is_ok() {}
    for offset in [0, 16, 24, 32] {
        chunk.free(4096 + offset).expect("it is taken");
    }
    let by_hints = chunk.allocate(need(16, 4), Reach::AllPages);
    assert_eq!(by_hints, Err(NoFit::ByHints));
    let area = chunk.allocate_exactly(need(16, 4), Reach::AllPages);
    assert_eq!(area.map(|area| area.offset), Ok(4096 + 16));
    assert_eq!(chunk.verify(), Ok(()));
}
