//! A chunk against a model that knows every byte: areas never overlap, refusals have the right name, the
//! records pass `verify` after each step, and freeing everything gives back a chunk as new.

use std::collections::BTreeMap;

use percpu_core::{
    Area, AreaNeed, AreaRequest, Chunk, ChunkError, ChunkStorage, FreeError, FreeRule, Hints, PageRange,
    PopulateError, Reach, UnitPart,
};
use proptest::prelude::*;

const PAGES: usize = 6;

#[derive(Clone, Debug)]
enum Step {
    Allocate { size: usize, align: usize, reach: Reach },
    FreeOne(usize),
    FreeAt(usize),
    Populate(PageRange),
    Depopulate(PageRange),
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![4 => 1..200usize, 2 => 1..5000usize, 1 => Just(4096usize)];
    let reach = prop_oneof![Just(Reach::AllPages), Just(Reach::PopulatedPages)];
    let range = (0..PAGES + 1, 1..4usize).prop_map(|(first, count)| PageRange { first, count });
    prop_oneof![
        8 => (size, 0..13u32, reach)
            .prop_map(|(size, align, reach)| Step::Allocate { size, align: 1 << align, reach }),
        6 => any::<usize>().prop_map(Step::FreeOne),
        2 => (0..PAGES * 4096 + 9).prop_map(Step::FreeAt),
        1 => range.clone().prop_map(Step::Populate),
        1 => range.prop_map(Step::Depopulate),
    ]
}

/// Sizes by offset, and which pages are populated.
#[derive(Default)]
struct Model {
    areas: BTreeMap<usize, usize>,
    populated: [bool; PAGES],
    head: usize,
    tail: usize,
}

impl Model {
    fn area_around(&self, offset: usize) -> Option<usize> {
        let (start, size) = self.areas.range(..=offset).next_back()?;
        (offset < start + size).then_some(*start)
    }

    fn is_free(&self, area: Area) -> bool {
        let end = area.offset + area.size;
        let nothing_reaches_in = self
            .areas
            .range(..end)
            .next_back()
            .is_none_or(|(start, size)| start + size <= area.offset);
        area.offset >= self.head && end <= PAGES * 4096 - self.tail && nothing_reaches_in
    }

    fn expected_free(&self, offset: usize) -> Result<Area, FreeError> {
        if !offset.is_multiple_of(4) {
            return Err(FreeError::Unaligned { offset });
        }
        if offset >= PAGES * 4096 {
            return Err(FreeError::OutOfRange { offset });
        }
        if offset < self.head || offset >= PAGES * 4096 - self.tail {
            return Err(FreeError::Hidden { offset });
        }
        match self.area_around(offset) {
            None => Err(FreeError::NotTaken { offset }),
            Some(start) if start != offset => Err(FreeError::Interior { offset }),
            Some(start) => Ok(Area {
                offset,
                size: self.areas[&start],
            }),
        }
    }

    fn has_area_in(&self, page: usize) -> bool {
        let edge = |bytes: usize, at: usize| bytes != 0 && at == page;
        let touches =
            |(start, size): (&usize, &usize)| start / 4096 <= page && page <= (start + size - 1) / 4096;
        self.areas.iter().any(touches) || edge(self.head, 0) || edge(self.tail, PAGES - 1)
    }
}

fn allocate(chunk: &mut Chunk<'_>, model: &mut Model, need: AreaNeed, reach: Reach) {
    let Ok(area) = chunk.allocate(need, reach) else {
        return;
    };
    assert_eq!((area.size, area.offset % need.align()), (need.size(), 0));
    assert!(model.is_free(area), "{area:?} is not free");
    let PageRange { first, count } = area.pages();
    let is_populated = model.populated[first..first + count]
        .iter()
        .all(|populated| *populated);
    assert!(
        is_populated || reach == Reach::AllPages,
        "{area:?} is not populated"
    );
    model.areas.insert(area.offset, area.size);
}

fn free(chunk: &mut Chunk<'_>, model: &mut Model, offset: usize) {
    let expected = model.expected_free(offset);
    assert_eq!(chunk.free(offset), expected);
    if expected.is_ok() {
        model.areas.remove(&offset);
    }
}

fn populate(chunk: &mut Chunk<'_>, model: &mut Model, range: PageRange) {
    let (pages, end) = (PAGES, range.first + range.count);
    let answer = chunk.populate(range);
    if end > PAGES {
        assert_eq!(answer, Err(PopulateError::OutOfRange { pages }));
        return;
    }
    let taken = (range.first..end).find(|page| model.populated[*page]);
    assert_eq!(
        answer,
        taken.map_or(Ok(()), |page| Err(PopulateError::Populated { page }))
    );
    if taken.is_none() {
        model.populated[range.first..end].fill(true);
    }
}

fn depopulate(chunk: &mut Chunk<'_>, model: &mut Model, range: PageRange) {
    let (pages, end) = (PAGES, range.first + range.count);
    let answer = chunk.depopulate(range);
    if end > PAGES {
        assert_eq!(answer, Err(PopulateError::OutOfRange { pages }));
        return;
    }
    let absent = (range.first..end).find(|page| !model.populated[*page]);
    let used = (range.first..end).find(|page| model.has_area_in(*page));
    let expected = match (absent, used) {
        (Some(page), _) => Err(PopulateError::NotPopulated { page }),
        (None, Some(page)) => Err(PopulateError::InUse { page }),
        (None, None) => Ok(()),
    };
    assert_eq!(answer, expected);
    if expected.is_ok() {
        model.populated[range.first..end].fill(false);
    }
}

fn run(chunk: &mut Chunk<'_>, model: &mut Model, steps: Vec<Step>) {
    for step in steps {
        match step.clone() {
            Step::Allocate { size, align, reach } => {
                let need = AreaNeed::checked(AreaRequest { size, align }).expect("steps are legal");
                allocate(chunk, model, need, reach);
            }
            Step::FreeOne(seed) if !model.areas.is_empty() => {
                let offset = *model
                    .areas
                    .keys()
                    .nth(seed % model.areas.len())
                    .expect("there is one");
                free(chunk, model, offset);
            }
            Step::FreeOne(_) => {}
            Step::FreeAt(offset) => free(chunk, model, offset),
            Step::Populate(range) => populate(chunk, model, range),
            Step::Depopulate(range) => depopulate(chunk, model, range),
        }
        assert_eq!(chunk.verify(), Ok(()), "after {step:?}");
        let taken: usize = model.areas.values().sum();
        assert_eq!(chunk.free_bytes(), PAGES * 4096 - model.head - model.tail - taken);
        assert_eq!(chunk.areas(), model.areas.len());
    }
}

/// Whatever happened, a chunk without areas has its whole space in one run again.
fn drain(chunk: &mut Chunk<'_>, model: &mut Model) {
    for offset in model.areas.keys().copied().collect::<Vec<_>>() {
        free(chunk, model, offset);
    }
    assert_eq!(chunk.longest_free(), PAGES * 4096 - model.head - model.tail);
}

proptest! {
    #[test]
    fn a_chunk_agrees_with_the_model(steps in prop::collection::vec(step(), 1..120), linux: bool) {
        let (mut words, mut blocks) = ([u64::MAX; ChunkStorage::words(PAGES)], [Hints::default(); PAGES]);
        let storage = ChunkStorage::split(&mut words, &mut blocks, PAGES).unwrap();
        let rule = if linux { FreeRule::Linux } else { FreeRule::Corrected };
        let mut chunk = Chunk::new(storage, PAGES).unwrap().with_free_rule(rule);
        let mut model = Model::default();
        run(&mut chunk, &mut model, steps);
        drain(&mut chunk, &mut model);
    }

    #[test]
    fn hidden_edges_are_never_given_out_nor_freed(
        steps in prop::collection::vec(step(), 1..80),
        head in 0..1024usize,
        tail in 0..1024usize,
    ) {
        let (head, tail) = (head * 4, tail * 4);
        let part = UnitPart { offset: 7 * 4096 + head, size: PAGES * 4096 - head - tail };
        let (mut words, mut blocks) = ([0; ChunkStorage::words(PAGES)], [Hints::default(); PAGES]);
        let storage = ChunkStorage::split(&mut words, &mut blocks, PAGES).unwrap();
        let mut chunk = Chunk::first(storage, part).unwrap();
        let mut model = Model { populated: [true; PAGES], head, tail, ..Model::default() };
        prop_assert_eq!((chunk.head_bytes(), chunk.tail_bytes()), (head, tail));
        run(&mut chunk, &mut model, steps);
        drain(&mut chunk, &mut model);
    }
}

#[test]
fn storage_that_is_too_small_is_refused() {
    let (mut words, mut blocks) = ([0; ChunkStorage::words(3)], [Hints::default(); 3]);
    let needed = ChunkStorage::words(3);
    let expected = Some(ChunkError::StorageTooSmall {
        words: needed,
        hints: 3,
    });
    assert_eq!(
        ChunkStorage::split(&mut words, &mut blocks[..2], 3).err(),
        expected
    );
    let too_few = &mut words[..needed - 1];
    assert_eq!(ChunkStorage::split(too_few, &mut blocks, 3).err(), expected);
    let nothing = ChunkStorage::split(&mut words, &mut blocks, 0).err();
    assert_eq!(nothing, Some(ChunkError::NoPages));
    let storage = ChunkStorage::split(&mut words, &mut blocks, 2).unwrap();
    assert_eq!(Chunk::new(storage, 3).err(), expected);
}
