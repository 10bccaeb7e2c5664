//! Handles: no free but the owner's own, once, frees anything; each other one is refused by name.

use ledger::{Whole, allocator};
use percpu_core::{
    AllocateError, AreaNeed, AreaRequest, Handle, HandleError, HandleRecord, HandleTable, OwnedAllocateError,
    OwnedReleaseError, OwnerId, Part, Reach, ReleaseError, Request,
};
use proptest::prelude::*;

mod ledger;

const HANDLES: usize = 40;
const ME: OwnerId = OwnerId(1);
const OTHER: OwnerId = OwnerId(2);

fn request(size: usize) -> Request {
    Request {
        need: AreaNeed::checked(AreaRequest { size, align: 8 }).expect("legal"),
        reach: Reach::AllPages,
        part: Part::Dynamic,
    }
}

fn refusal(
    allocator: &mut Whole,
    table: &mut HandleTable<'_>,
    owner: OwnerId,
    handle: Handle,
) -> HandleError {
    let answer = allocator.release_owned(table, owner, handle);
    assert_eq!(allocator.verify(), Ok(()));
    match answer {
        Err(OwnedReleaseError::BadHandle(error)) => error,
        other => panic!("{handle:?} of {owner:?}: {other:?}"),
    }
}

#[test]
fn each_wrong_free_has_its_name_and_changes_nothing() {
    let mut records = [HandleRecord::default(); HANDLES];
    let (mut allocator, mut table) = (allocator(1000), HandleTable::new(&mut records));
    let handle = allocator
        .allocate_owned(&mut table, ME, request(64))
        .expect("room");
    assert_eq!(
        refusal(&mut allocator, &mut table, OTHER, handle),
        HandleError::NotYours { owner: ME }
    );
    let mut inside = handle.area();
    inside.area.offset += 4;
    let interior = Handle::from_parts(handle.index(), handle.generation(), inside);
    assert_eq!(
        refusal(&mut allocator, &mut table, ME, interior),
        HandleError::NotItsArea
    );
    for (index, generation) in [(HANDLES as u32, 1), (u32::MAX, 1), (0, 0), (0, 2), (0, 3), (1, 1)] {
        let invented = Handle::from_parts(index, generation, handle.area());
        assert_eq!(
            refusal(&mut allocator, &mut table, ME, invented),
            HandleError::NoSuchHandle
        );
    }
    assert_eq!(
        allocator.release_owned(&mut table, ME, handle),
        Ok(handle.area().area)
    );
    assert_eq!(
        refusal(&mut allocator, &mut table, ME, handle),
        HandleError::FreedAlready
    );
    let again = allocator
        .allocate_owned(&mut table, ME, request(64))
        .expect("room");
    assert_eq!(again.area(), handle.area(), "the start is used again");
    let current = again.generation();
    assert_eq!(
        refusal(&mut allocator, &mut table, ME, handle),
        HandleError::StaleGeneration { current }
    );
    assert_eq!(table.check(ME, again), Ok(again.area()));
}

#[test]
fn an_area_freed_by_its_offset_is_missed() {
    let mut records = [HandleRecord::default(); 2];
    let (mut allocator, mut table) = (allocator(1000), HandleTable::new(&mut records));
    let handle = allocator
        .allocate_owned(&mut table, ME, request(64))
        .expect("room");
    let area = handle.area();
    allocator
        .release(area.chunk, area.area.offset)
        .expect("it is live");
    let answer = allocator.release_owned(&mut table, ME, handle);
    assert!(matches!(
        answer,
        Err(OwnedReleaseError::InAllocator(ReleaseError::InChunk(_)))
    ));
}

#[test]
fn a_full_table_refuses_before_anything_is_taken() {
    let mut records = [HandleRecord::default(); 1];
    let (mut allocator, mut table) = (allocator(0), HandleTable::new(&mut records));
    let none = allocator.allocate_owned(&mut table, ME, request(32_768));
    assert_eq!(
        none,
        Err(OwnedAllocateError::InAllocator(AllocateError::NoFrames))
    );
    assert!(table.has_room(), "a refusal uses no handle");
    allocator
        .allocate_owned(&mut table, ME, request(8))
        .expect("room");
    let before = *allocator.stats();
    let full = allocator.allocate_owned(&mut table, ME, request(8));
    assert_eq!(full, Err(OwnedAllocateError::HandlesExhausted { limit: 1 }));
    assert_eq!(*allocator.stats(), before);
}

proptest! {
    /// Whatever is freed in whatever order: old handles stay dead, and an owner's end frees just what is his.
    #[test]
    fn dead_handles_stay_dead(steps in prop::collection::vec((any::<bool>(), 0..3u32, any::<usize>()), 1..150)) {
        let mut records = [HandleRecord::default(); HANDLES];
        let (mut allocator, mut table) = (allocator(1000), HandleTable::new(&mut records));
        let mut live: Vec<(OwnerId, Handle)> = Vec::new();
        let mut dead = Vec::new();
        for (is_free, owner, seed) in steps {
            let owner = OwnerId(owner);
            if is_free && !live.is_empty() {
                let (owner, handle) = live.swap_remove(seed % live.len());
                prop_assert!(allocator.release_owned(&mut table, owner, handle).is_ok());
                dead.push((owner, handle));
            } else if let Ok(handle) = allocator.allocate_owned(&mut table, owner, request(8 + seed % 300)) {
                live.push((owner, handle));
            }
            for (owner, handle) in &dead {
                prop_assert!(allocator.release_owned(&mut table, *owner, *handle).is_err());
            }
            prop_assert_eq!(allocator.verify(), Ok(()));
            prop_assert_eq!(allocator.stats().current, live.len() as u64);
            prop_assert_eq!(table.handles().count(), live.len());
        }
        let his = live.iter().filter(|(owner, _)| *owner == OwnerId(0)).count();
        prop_assert_eq!(allocator.release_all_of(&mut table, OwnerId(0)), his);
        prop_assert_eq!(allocator.stats().current, (live.len() - his) as u64);
        prop_assert!(table.handles().all(|(owner, _)| owner != OwnerId(0)));
    }
}
