//! Pages that come and go, and requests that are sent again.

use abi::percpu::PercpuError::*;
use abi::percpu::map::{CHUNK_WORDS, Kind, head};
use abi::percpu::{Grant, Populate, RegionId, Request, Stats};
use abi::{Message, PAGE_SIZE};

use crate::sheet::map;
use crate::world::World;

fn create(pages: u64, populate: Populate) -> Request {
    Request::Create {
        unit_bytes: pages * PAGE_SIZE,
        populate,
        name: *b"pages\0\0\0\0\0\0\0\0\0\0\0",
    }
}

fn granted(world: &mut World, request: Request) -> RegionId {
    Grant::decode(&world.ask(2, request).expect("granted")).region
}

fn used(world: &mut World) -> u64 {
    Stats::decode(&world.ask(2, Request::Stats).expect("client 2 is attached")).dynamic_used
}

#[test]
fn depopulated_pages_go_back_and_the_rest_stays() {
    let mut world = World::new(8, 16, 0);
    let region = granted(&mut world, create(6, Populate::All));
    let depopulate = |page, count| Request::Depopulate { region, page, count };
    assert!(world.ask(2, depopulate(2, 2)).is_ok());
    assert_eq!(used(&mut world), 4);
    let mapped = |world: &World| {
        world
            .state()
            .mapped
            .keys()
            .filter(|at| at.0 == 502)
            .map(|at| at.1)
            .collect::<Vec<_>>()
    };
    assert_eq!(mapped(&world), [1, 2, 3, 6, 7]);
    assert!(
        world.ask(2, depopulate(2, 2)).is_ok(),
        "nothing is there any more"
    );
    assert!(world.ask(2, depopulate(1, 5)).is_ok(), "what is there goes");
    assert_eq!(mapped(&world), [1, 2]);
    for (page, count) in [(0, 7), (6, 1), (0, 0), (u64::MAX, 2)] {
        assert_eq!(world.ask(2, depopulate(page, count)), Err(BadRange(6)));
    }
    assert_eq!(world.ask(3, depopulate(0, 1)), Err(NotYours));
    let all = Request::Populate {
        region,
        page: 0,
        count: 6,
    };
    assert!(world.ask(2, all).is_ok());
    assert_eq!(used(&mut world), 6);
}

#[test]
fn a_refused_depopulation_changes_nothing() {
    let mut world = World::new(8, 16, 0);
    let region = granted(&mut world, create(6, Populate::All));
    let before = (world.state(), used(&mut world));
    world.fail_after(Some(0));
    assert!(
        world
            .ask(
                2,
                Request::Depopulate {
                    region,
                    page: 1,
                    count: 2
                }
            )
            .is_err()
    );
    assert_eq!((world.state(), used(&mut world)), before);
    assert!(world.ask(2, Request::Destroy { region }).is_ok());
    assert_eq!(used(&mut world), 0);
}

#[test]
fn on_touch_pages_are_paid_at_the_grant_and_have_memory_of_their_own() {
    let mut world = World::new(8, 16, 20);
    let region = granted(&mut world, create(6, Populate::OnTouch));
    assert_eq!((used(&mut world), world.state().free_pages), (6, 14));
    let refused = world.ask(2, create(15, Populate::OnTouch));
    assert_eq!(refused, Err(QuotaExceeded { limit: 20, used: 6 }));
    assert_eq!(
        world.ask(2, Request::Populated { region, page: 3 }),
        Ok([2, 0, 0, 0, 0, 0])
    );
    assert_eq!(
        world.ask(2, Request::Populated { region, page: 6 }),
        Err(BadRange(6))
    );
    assert_eq!(
        world.ask(3, Request::Populated { region, page: 0 }),
        Err(NotYours)
    );
    assert!(
        world
            .ask(
                2,
                Request::Depopulate {
                    region,
                    page: 0,
                    count: 1
                }
            )
            .is_ok()
    );
    assert_eq!(world.ask(2, Request::Populated { region, page: 0 }), Ok([0; 6]));
    assert!(
        world
            .ask(
                2,
                Request::Populate {
                    region,
                    page: 0,
                    count: 1
                }
            )
            .is_ok()
    );
    assert_eq!(world.state().free_pages, 14, "it was taken from the same memory");
    assert!(world.ask(2, Request::Destroy { region }).is_ok());
    assert_eq!(world.state().free_pages, 14, "nobody waits for it to go back");
    world.balance();
    assert_eq!(world.state().free_pages, 20, "nothing of it is kept ready");
}

#[test]
fn the_map_counts_frames_on_nodes() {
    let mut world = World::new(8, 16, 20);
    let regions = [
        granted(&mut world, create(3, Populate::All)),
        granted(&mut world, create(2, Populate::OnTouch)),
        granted(&mut world, create(4, Populate::None)),
    ];
    let mut paper = crate::sheet::Paper(vec![0; 1024]);
    world
        .service
        .map_to(2, &mut paper)
        .expect("clients may see the map");
    let (_, entries) = map(&mut world);
    let frames = |region: RegionId| {
        let index = entries
            .iter()
            .position(|entry| entry.region == region.encode())
            .expect("it is there");
        [paper.0[32 + index * 10 + 8], paper.0[32 + index * 10 + 9]]
    };
    // Two CPUs on each node; the model's CPU 1 has touched.
    assert_eq!(regions.map(frames), [[6, 6], [2, 0], [0, 0]]);
    let statics = entries.iter().filter(|entry| entry.kind == Kind::Static as u64);
    assert_eq!(
        statics
            .map(|entry| (entry.badge, entry.pages))
            .collect::<Vec<_>>(),
        [(2, 1), (3, 2)]
    );
    assert_eq!(world.service.map_to(99, &mut paper), Err(NotAttached));
    let mut small = crate::sheet::Paper(vec![0; 32 + 19]);
    assert_eq!(world.service.map_to(2, &mut small), Ok([1, 5]), "one entry fits");
}

/// Two clients whose statics are 1 and 2 pages behind the header page of 64.
#[test]
fn the_map_tells_of_chunks() {
    let mut world = World::new(8, 6, 40);
    let whole = granted(&mut world, create(5, Populate::All));
    granted(&mut world, create(2, Populate::OnTouch));
    let hole = Request::Depopulate {
        region: whole,
        page: 1,
        count: 1,
    };
    assert!(world.ask(2, hole).is_ok());
    let mut paper = crate::sheet::Paper(vec![0; 1024]);
    assert!(world.service.map_to(2, &mut paper).is_ok());
    let [count, from] = [head::CHUNKS, head::CHUNKS_AT].map(|at| paper.0[at] as usize);
    let rows: Vec<&[u64]> = paper.0[from..].chunks_exact(CHUNK_WORDS).take(count).collect();
    let expected: [&[u64]; 5] = [
        &[0, 0, 8, 3, 0, 1, 5, 0],
        &[1, 0, 6, 4, 0, 2, 1, 0],
        &[3, 0, 2, 2, 0, 0, 0, 0],
        &[4, 2, 64, 9, 0, 1, 55, 20],
        &[4, 3, 64, 3, 0, 1, 61, 20],
    ];
    assert_eq!(rows, expected);
    let mut small = crate::sheet::Paper(vec![0; 32 + 4 * 10 + 20]);
    assert!(world.service.map_to(2, &mut small).is_ok());
    assert_eq!(small.0[head::CHUNKS], 2, "two have room");
}

#[test]
fn a_request_that_is_sent_again_is_answered_and_not_done_again() {
    let mut world = World::new(8, 16, 0);
    let message = create(2, Populate::All).numbered(50);
    let first = world.send(2, message);
    assert!(first.is_ok());
    assert_eq!((world.send(2, message), world.send(2, message)), (first, first));
    assert_eq!(used(&mut world), 2);
    world.restart();
    assert_eq!(world.send(2, message), first, "the next server knows it, too");
    assert_eq!(used(&mut world), 2);
    let old = create(1, Populate::All).numbered(49);
    assert_eq!(world.send(2, old), Err(StaleRequest(50)));
    let region = Grant::decode(&first.expect("granted")).region;
    let destroy = Request::Destroy { region }.numbered(51);
    assert_eq!(world.send(2, destroy), Ok([0; 6]));
    assert_eq!(world.send(2, destroy), Ok([0; 6]));
    assert_eq!(
        world.send(2, Request::Destroy { region }.numbered(52)),
        Err(StaleGeneration)
    );
    let refused = create(21, Populate::All).numbered(53);
    assert!(world.send(2, refused).is_err());
    assert!(
        world.send(2, create(1, Populate::All).numbered(53)).is_ok(),
        "what was refused took no effect"
    );
}

#[test]
fn an_attachment_that_is_sent_again_is_answered_and_its_capability_dropped() {
    let mut world = World::empty(8, 4, 0);
    assert_eq!(world.attach(2, 20, 3), Ok(0));
    let attach = Request::Attach {
        badge: 2,
        quota_pages: 20,
        static_pages: 3,
        name: [0; 16],
    };
    let again = attach.numbered(1).with_capability(abi::Handle(700));
    let answer = world.send(1, again);
    assert_eq!(answer, Ok([0; 6]));
    assert!(world.state().dropped.contains(&700));
    world.restart();
    let again = attach.numbered(1).with_capability(abi::Handle(701));
    assert_eq!(world.send(1, again), Ok([0; 6]));
    let other = attach.numbered(2).with_capability(abi::Handle(702));
    assert_eq!(world.send(1, other), Err(Malformed(0)));
}

#[test]
fn what_needs_memory_is_not_served_without_it() {
    let mut world = World::new(8, 16, 0);
    let message = |request: Request| request.encode().with_capability(abi::Handle(800));
    assert_eq!(world.send(2, message(Request::Map)), Err(BadBuffer(0)));
    assert_eq!(
        world.send(
            2,
            message(Request::Batch {
                entries: 1,
                is_kept: true
            })
        ),
        Err(BadBuffer(0))
    );
    assert!(world.state().dropped.contains(&800));
    assert_eq!(world.send(2, Message::new(9, [0; 6])), Err(Malformed(6)));
}

#[test]
fn a_smaller_quota_takes_nothing_away() {
    let mut world = World::new(8, 32, 0);
    let region = granted(&mut world, create(10, Populate::All));
    let set = |quota_pages| Request::SetQuota {
        badge: 2,
        quota_pages,
    };
    assert!(world.ask(1, set(5)).is_ok());
    assert_eq!(used(&mut world), 10);
    assert_eq!(
        world.ask(2, create(1, Populate::All)),
        Err(QuotaExceeded { limit: 5, used: 10 })
    );
    assert!(world.ask(2, create(1, Populate::None)).is_ok());
    assert!(world.ask(1, set(11)).is_ok());
    assert!(world.ask(2, create(1, Populate::All)).is_ok());
    assert!(world.ask(2, Request::Destroy { region }).is_ok());
    let unknown = Request::SetQuota {
        badge: 77,
        quota_pages: 1,
    };
    assert_eq!(world.ask(1, unknown), Err(NotAttached));
}

/// More pieces than one kernel call maps are laid out anew, in one row.
#[test]
fn a_scattered_pool_does_not_refuse() {
    let mut world = World::with_stride(2048 * PAGE_SIZE, 0, 600, 2000);
    assert!(world.attach(2, 5000, 0).is_ok());
    let whole = granted(&mut world, create(600, Populate::All));
    for page in (0..600).step_by(2) {
        assert!(
            world
                .ask(
                    2,
                    Request::Depopulate {
                        region: whole,
                        page,
                        count: 1
                    }
                )
                .is_ok()
        );
    }
    // 300 free pages, none beside another.
    let region = granted(&mut world, create(200, Populate::All));
    assert_eq!(world.ask(2, Request::Destroy { region }).map(drop), Ok(()));
    let populate = Request::Populate {
        region: whole,
        page: 0,
        count: 600,
    };
    assert_eq!(
        world.ask(2, populate),
        Err(ServerFull(128)),
        "so many gaps at once"
    );
    let some = Request::Populate {
        region: whole,
        page: 0,
        count: 200,
    };
    assert!(world.ask(2, some).is_ok());
}
