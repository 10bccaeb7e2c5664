//! The trace (O5) and the names of owners (O7): who may see them, what is in them, and that they outlive the server.

use abi::PAGE_SIZE;
use abi::percpu::map::{CHUNK_WORDS, HEAD_WORDS, Kind, OWNER_WORDS, Owner, head};
use abi::percpu::trace::{EVENT_WORDS, Event, EventKind, MOST_EVENTS, MOST_PAGES};
use abi::percpu::{Grant, OBSERVER, PercpuError, Populate, RegionId, Request, name_words, number};

use crate::kernel::End;
use crate::sheet::Paper;
use crate::world::{World, name_of};

const WATCHER: u64 = OBSERVER | 9;

fn create(pages: u64, populate: Populate) -> Request {
    Request::Create {
        unit_bytes: pages * PAGE_SIZE - 1,
        populate,
        name: [0; 16],
    }
}

/// The events from a number on, the number of the first one, and that of the next.
pub fn read(world: &World, from: u64) -> (Vec<Event>, u64, u64) {
    let mut paper = Paper(vec![0; MOST_PAGES as usize * 512]);
    let told = world.service.trace_to(WATCHER, from, &mut paper);
    let [first, count, next] = told.expect("it may observe");
    let rows = paper.0.chunks_exact(EVENT_WORDS).take(count as usize);
    let events = rows.map(|row| Event::decode(row.try_into().expect("a whole part")));
    (events.collect(), first, next)
}

fn kinds(events: &[Event]) -> Vec<EventKind> {
    let kinds = events.iter().map(|event| EventKind::from_word(event.kind.into()));
    kinds.map(|kind| kind.expect("a known kind")).collect()
}

#[test]
fn the_trace_tells_who_asked_for_what_and_what_came_of_it() {
    use EventKind::{Alloc, AllocFail, ClientEnd, CreateChunk, DestroyChunk, Free};
    let mut world = World::new(8, 2, 40);
    let reserve = Request::Reserve {
        bytes: 100,
        align: 64,
        name: [0; 16],
    };
    let reserved = Grant::decode(&world.ask(2, reserve).expect("granted"));
    let touched = Grant::decode(&world.ask(3, create(3, Populate::OnTouch)).expect("granted"));
    let refused = world.ask(3, create(30, Populate::All));
    let id = touched.region;
    assert!(world.ask(3, Request::Destroy { region: id }).is_ok());
    assert!(world.drain() > 0);
    world.kill(2);
    let (events, first, next) = read(&world, 0);
    assert_eq!((first, next), (1, 10));
    assert!(events.iter().map(|event| event.sequence).eq(1..10));
    let expected = [
        Alloc,
        Alloc,
        Alloc,
        CreateChunk,
        Alloc,
        AllocFail,
        Free,
        DestroyChunk,
        ClientEnd,
    ];
    assert_eq!(kinds(&events), expected);
    let [statics, _, small, made, large, fail, freed, given, end] = events.try_into().expect("nine");
    let name = |badge| name_words(&name_of(badge));
    assert_eq!(
        (statics.badge, statics.bytes, statics.name),
        (2, PAGE_SIZE, name(2))
    );
    let (region, page) = (reserved.region.encode(), PAGE_SIZE);
    let expected = Event {
        sequence: 3,
        kind: Alloc as u8,
        request: number::RESERVE as u8,
        pool: Kind::Reserved as u8,
        refusal: 0,
        badge: 2,
        name: name(2),
        region,
        bytes: 100,
        align: 64,
        offset: reserved.offset,
        more: page,
    };
    assert_eq!(small, expected);
    assert_eq!((made.bytes, made.pool), (3 * page, Kind::OnTouch as u8));
    assert_eq!((large.badge, large.name, large.region), (3, name(3), id.encode()));
    assert_eq!(
        (large.bytes, large.more, large.offset),
        (3 * page - 1, 3 * page, touched.offset)
    );
    assert_eq!(
        (fail.badge, fail.bytes, fail.request),
        (3, 30 * page - 1, number::CREATE as u8)
    );
    assert_eq!(fail.cause(), refused.err());
    assert_eq!((freed.region, freed.more), (id.encode(), 3 * page));
    assert_eq!((given.region, given.bytes), (made.region, made.bytes));
    assert_eq!((end.badge, end.name, end.bytes, end.more), (2, name(2), page, 1));
}

/// What is lost is known by the numbers; what is not there yet, too; and no memory is written beyond its end.
#[test]
fn the_ring_is_bounded_and_numbers_tell_what_was_lost() {
    let mut world = World::new(8, 2, 40);
    for _ in 0..200 {
        let id = Grant::decode(&world.ask(2, create(1, Populate::None)).expect("granted")).region;
        assert!(world.ask(2, Request::Destroy { region: id }).is_ok());
    }
    let (events, first, next) = read(&world, 5);
    assert_eq!((first, next), (403 - MOST_EVENTS, 403));
    assert!(events.iter().map(|event| event.sequence).eq(first..next));
    assert_eq!(read(&world, 400).0.len(), 3);
    assert_eq!(read(&world, 403), (vec![], 403, 403));
    assert_eq!(read(&world, u64::MAX), (vec![], 403, 403));
    for (words, events) in [(0, 0), (9, 0), (10, 1), (25, 2)] {
        let mut paper = Paper(vec![0; words]);
        assert_eq!(world.service.trace_to(1, 300, &mut paper), Ok([300, events, 403]));
    }
}

#[test]
fn only_observers_see_events_and_names() {
    let mut world = World::new(8, 4, 0);
    assert!(world.attach(WATCHER, 1, 0).is_ok());
    let mut paper = Paper(vec![0; 4096]);
    let refused = world.service.trace_to(2, 0, &mut paper);
    assert_eq!(
        (refused, paper.0),
        (Err(PercpuError::NotPermitted), vec![0; 4096])
    );
    let owners = |world: &mut World, badge| {
        let mut paper = Paper(vec![0; 4096]);
        world.service.map_to(badge, &mut paper).expect("a client");
        let words = paper.0;
        let from = (words[head::CHUNKS_AT] + words[head::CHUNKS] * CHUNK_WORDS as u64) as usize;
        let told = words[head::OWNERS] as usize;
        let rows = words[from..].chunks_exact(OWNER_WORDS).take(told);
        let rows: Vec<_> = rows
            .map(|row| Owner::decode(row.try_into().expect("whole")))
            .collect();
        let rest = words[from.max(HEAD_WORDS) + told * OWNER_WORDS..].to_vec();
        (rows, rest.iter().all(|word| *word == 0))
    };
    assert_eq!(owners(&mut world, 2), (vec![], true));
    let owner = |badge, held| Owner {
        badge,
        name: name_words(&name_of(badge)),
        held,
    };
    let all = vec![owner(2, 1), owner(3, 2), owner(WATCHER, 0)];
    assert_eq!(owners(&mut world, WATCHER), (all.clone(), true));
    assert!(world.ask(3, create(1, Populate::All)).is_ok());
    world.restart();
    let all = vec![all[0], owner(3, 3), all[2]];
    assert_eq!(owners(&mut world, 1), (all, true));
    // As many as there is room for, and nothing behind it.
    for more in 0..100 {
        let mut small = Paper(vec![0; HEAD_WORDS + more]);
        assert!(world.service.map_to(1, &mut small).is_ok());
        let [chunks, told] = [head::CHUNKS, head::OWNERS].map(|at| small.0[at] as usize);
        let taken = small.0[head::ENTRIES] as usize * 10 + chunks * CHUNK_WORDS;
        assert_eq!(told, ((more - taken) / OWNER_WORDS).min(3), "{more}");
    }
}

/// A server ends at each of its kernel calls and at each word that it writes to the ledger: each grant and each end of a region is
/// told once, all the same.
#[test]
fn every_event_is_told_once_wherever_the_server_ends() {
    let words = (0..160).map(|words| (None, Some(words)));
    let calls = (0..12).flat_map(|calls| [End::Before(calls), End::After(calls)]);
    for end in calls.map(|end| (Some(end), None)).chain(words) {
        let mut world = World::new(8, 8, 40);
        world.kernel.0.borrow_mut().end = end.0;
        world.kernel.0.borrow_mut().end_at_word = end.1;
        assert!(world.attach(4, 9, 1).is_ok());
        let mut ids = Vec::new();
        for populate in [Populate::All, Populate::None, Populate::OnTouch] {
            let granted = world.ask(4, create(2, populate)).expect("granted");
            ids.push(Grant::decode(&granted).region);
        }
        for region in &ids {
            assert!(world.ask(4, Request::Destroy { region: *region }).is_ok());
        }
        world.kill(4);
        world.kernel.0.borrow_mut().end_at_word = None;
        world.restart();
        let (events, _, next) = read(&world, 1);
        assert!(events.iter().map(|event| event.sequence).eq(1..next), "{end:?}");
        let told = |kind: EventKind, region: u64| {
            let is_it = |event: &&Event| (event.kind, event.badge, event.region) == (kind as u8, 4, region);
            events.iter().filter(is_it).count()
        };
        for region in ids.iter().map(|id: &RegionId| id.encode()) {
            assert_eq!(told(EventKind::Alloc, region), 1, "{end:?} {events:#?}");
            assert_eq!(told(EventKind::Free, region), 1, "{end:?} {events:#?}");
        }
        assert_eq!(told(EventKind::Alloc, u64::MAX), 1, "{end:?}");
        assert_eq!(told(EventKind::ClientEnd, 0), 1, "{end:?}");
        let starts = events
            .iter()
            .filter(|event| event.kind == EventKind::ServerStart as u8);
        assert_eq!(starts.count() as u64, world.restarts, "{end:?}");
    }
}
