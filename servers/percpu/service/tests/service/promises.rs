//! One test for each promise of the protocol.

use abi::percpu::{Geometry, Grant, Populate, RegionId, Request, Stats};
use abi::percpu::{PROTOCOL_VERSION, PercpuError::*};
use abi::{Handle, Message, PAGE_SIZE};
use percpu_service::{MOST_CLIENTS, MOST_REGIONS, STATIC_TAG};

use crate::kernel::{DYNAMIC, RESERVED};
use crate::world::World;

const PAGE: u64 = PAGE_SIZE;

fn create(pages: u64, populate: Populate) -> Request {
    Request::Create {
        unit_bytes: pages * PAGE,
        populate,
        name: [0; 16],
    }
}

fn reserve(bytes: u64) -> Request {
    Request::Reserve {
        bytes,
        align: 0,
        name: [0; 16],
    }
}

fn granted(world: &mut World, badge: u64, request: Request) -> Grant {
    Grant::decode(&world.ask(badge, request).expect("granted"))
}

fn stats(world: &mut World) -> Stats {
    Stats::decode(&world.ask(2, Request::Stats).expect("client 2 is attached"))
}

#[test]
fn a_handshake_tells_the_geometry() {
    let mut world = World::new(8, 8, 0);
    let version = PROTOCOL_VERSION;
    let words = world.ask(2, Request::Hello { version }).unwrap();
    let expected = Geometry {
        version: 2,
        possible_cpus: 4,
        stride: 64 * PAGE,
        quota_pages: 20,
        reserved_free: 5,
        reserved_pages: 8,
    };
    assert_eq!(Geometry::decode(&words), expected);
    let other = Request::Hello { version: 1 };
    assert_eq!(world.ask(2, other), Err(VersionMismatch(2)));
}

#[test]
fn static_parts_lie_behind_the_header_in_reserved_pages_then_in_dynamic_ones() {
    let mut world = World::empty(3, 4, 0);
    assert_eq!(world.attach(2, 20, 2), Ok(0));
    assert_eq!(world.attach(3, 20, 2), Ok(1));
    let mapped = world.state().mapped;
    assert_eq!(mapped[&(502, 1)], ((RESERVED.0, 0), STATIC_TAG));
    assert_eq!(mapped[&(502, 2)], ((RESERVED.0, 1), STATIC_TAG));
    assert_eq!(mapped[&(503, 1)], ((DYNAMIC.0, 0), STATIC_TAG));
    assert_eq!(mapped.len(), 4);
    assert_eq!(world.attach(4, 20, 0), Ok(0));
}

#[test]
fn a_reservation_is_populated_and_never_served_from_elsewhere() {
    let mut world = World::new(8, 8, 100);
    let grant = granted(&mut world, 2, reserve(4 * PAGE + 1));
    assert_eq!((grant.offset, grant.bytes), (2 * PAGE, 5 * PAGE));
    let mapped = world.state().mapped;
    let tag = grant.region.encode();
    assert_eq!(mapped[&(502, 2)], ((RESERVED.0, 3), tag));
    assert_eq!(mapped[&(502, 6)], ((RESERVED.0, 7), tag));
    assert_eq!(world.ask(3, reserve(1)), Err(ReservedExhausted { free: 0 }));
    let region = grant.region;
    assert!(world.ask(2, Request::Destroy { region }).is_ok());
    assert_eq!(granted(&mut world, 3, reserve(5 * PAGE)).offset, 3 * PAGE);
}

#[test]
fn without_a_reserved_part_a_reservation_is_an_ordinary_region() {
    let mut world = World::new(0, 8, 0);
    granted(&mut world, 2, reserve(1));
    assert_eq!(stats(&mut world).dynamic_used, 4);
}

#[test]
fn dynamic_pages_come_from_the_first_chunk_then_from_new_memory_which_goes_back() {
    let mut world = World::new(8, 4, 30);
    let before = world.state();
    let first = granted(&mut world, 2, create(3, Populate::All));
    assert_eq!(world.state().free_pages, 30, "the first chunk had them");
    let second = granted(&mut world, 2, create(3, Populate::All));
    assert_eq!(world.state().free_pages, 14, "grown by 16");
    assert_eq!(stats(&mut world).dynamic_used, 6);
    for region in [second.region, first.region] {
        assert!(world.ask(2, Request::Destroy { region }).is_ok());
    }
    assert_eq!(world.state().free_pages, 14, "one stock is kept ready");
    assert_eq!(world.drain(), 16);
    assert_eq!(world.state(), before);
    assert_eq!(stats(&mut world).regions, 0);
}

#[test]
fn growing_takes_less_when_there_is_less() {
    let mut world = World::new(8, 0, 5);
    granted(&mut world, 2, create(5, Populate::All));
    let refused = world.ask(2, create(1, Populate::All));
    assert_eq!(refused, Err(NodeExhausted(7)));
}

#[test]
fn populating_fills_the_gaps_and_nothing_else() {
    let mut world = World::new(8, 16, 0);
    let region = granted(&mut world, 2, create(10, Populate::None)).region;
    let populate = |page, count| Request::Populate { region, page, count };
    assert_eq!(stats(&mut world).dynamic_used, 0);
    assert!(world.ask(2, populate(2, 2)).is_ok());
    assert!(world.ask(2, populate(5, 1)).is_ok());
    let before = world.state().mapped;
    assert!(world.ask(2, populate(0, 10)).is_ok());
    let after = world.state().mapped;
    assert!(before.iter().all(|(page, target)| after[page] == *target));
    assert_eq!(stats(&mut world).dynamic_used, 10);
    assert!(world.ask(2, populate(0, 10)).is_ok(), "again: nothing to do");
    for (page, count) in [(0, 11), (10, 1), (0, 0), (u64::MAX, 2), (2, u64::MAX)] {
        assert_eq!(world.ask(2, populate(page, count)), Err(BadRange(10)));
    }
}

#[test]
fn the_quota_counts_what_has_frames() {
    let mut world = World::new(8, 64, 0);
    granted(&mut world, 2, create(40, Populate::None));
    granted(&mut world, 2, create(19, Populate::All));
    let refused = Err(QuotaExceeded { limit: 20, used: 19 });
    assert_eq!(world.ask(2, create(2, Populate::All)), refused);
    assert_eq!(world.ask(2, reserve(2 * PAGE)), refused);
    granted(&mut world, 2, reserve(1));
    let full = Err(QuotaExceeded { limit: 20, used: 20 });
    assert_eq!(world.ask(2, create(1, Populate::All)), full);
}

#[test]
fn sizes_and_alignments_have_limits() {
    let mut world = World::new(8, 64, 0);
    let most = 63 * PAGE;
    for bytes in [0, most + 1, u64::MAX] {
        assert_eq!(world.ask(2, reserve(bytes)), Err(BadSize(most)));
    }
    assert_eq!(world.ask(2, create(63, Populate::None)), Err(WindowFull));
    granted(&mut world, 2, create(62, Populate::None));
    for align in [3, 2 * PAGE, u64::MAX] {
        let request = Request::Reserve {
            bytes: 1,
            align,
            name: [0; 16],
        };
        assert_eq!(world.ask(3, request), Err(BadAlign));
    }
    let aligned = Request::Reserve {
        bytes: 1,
        align: PAGE,
        name: [0; 16],
    };
    granted(&mut world, 3, aligned);
}

#[test]
fn a_freed_region_is_stale_and_an_invented_one_unknown() {
    let mut world = World::new(8, 64, 0);
    let region = granted(&mut world, 2, create(1, Populate::All)).region;
    assert_eq!(world.ask(3, Request::Destroy { region }), Err(NotYours));
    assert!(world.ask(2, Request::Destroy { region }).is_ok());
    assert_eq!(world.ask(2, Request::Destroy { region }), Err(StaleGeneration));
    let next = granted(&mut world, 2, create(1, Populate::All)).region;
    assert_eq!(
        (next.index, next.generation),
        (region.index, region.generation + 1)
    );
    let populate = Request::Populate {
        region,
        page: 0,
        count: 1,
    };
    assert_eq!(world.ask(2, populate), Err(StaleGeneration));
    for region in [
        RegionId {
            index: next.index + 1,
            ..next
        },
        RegionId {
            generation: 9,
            ..next
        },
        RegionId {
            generation: 0,
            ..next
        },
    ] {
        assert_eq!(world.ask(2, Request::Destroy { region }), Err(NoSuchRegion));
    }
}

#[test]
fn only_init_attaches_and_only_once() {
    let mut world = World::new(8, 64, 0);
    let request = Request::Attach {
        badge: 9,
        quota_pages: 1,
        static_pages: 0,
        name: [0; 16],
    };
    let message = request.numbered(1).with_capability(Handle(600));
    assert_eq!(world.send(2, message), Err(NotPermitted));
    for request in [
        Request::Drain,
        Request::CpuOffline { cpu: 1 },
        Request::CpuOnline { cpu: 1 },
        Request::SetQuota {
            badge: 2,
            quota_pages: 99,
        },
    ] {
        assert_eq!(world.ask(2, request), Err(NotPermitted));
    }
    assert!(
        world.state().dropped.contains(&600),
        "its capability does not stay"
    );
    for badge in [0, 1, 2] {
        assert_eq!(world.attach(badge, 1, 0), Err(Malformed(0)));
    }
    assert_eq!(world.attach(9, 1, 64), Err(BadSize(63 * PAGE)));
    assert_eq!(world.attach(10, 1, 70_000), Err(BadSize(63 * PAGE)));
    assert_eq!(world.ask(9, Request::Stats), Err(NotAttached));
    assert_eq!(world.ask(7, reserve(1)), Err(NotAttached));
}

#[test]
fn what_a_dead_client_held_comes_back() {
    let mut world = World::new(8, 4, 30);
    let free = world.state().free_pages;
    let mapped = world.state().mapped.len();
    let before = stats(&mut world);
    assert!(world.attach(9, 20, 3).is_ok());
    granted(&mut world, 9, create(9, Populate::All));
    granted(&mut world, 9, reserve(2 * PAGE));
    granted(&mut world, 9, create(5, Populate::None));
    world.kill(9);
    world.drain();
    assert_eq!(stats(&mut world), before);
    assert_eq!(
        (world.state().free_pages, world.state().mapped.len()),
        (free, mapped)
    );
    assert_eq!(world.ask(9, reserve(1)), Err(NotAttached));
    assert!(world.state().dropped.contains(&509), "its window is given up");
    world.service.bury(!3);
    assert_eq!(stats(&mut world).clients, 2, "bits of free slots bury nobody");
}

#[test]
fn a_client_whose_end_nobody_would_tell_is_not_attached() {
    let mut world = World::new(8, 4, 30);
    let before = world.state();
    world.fail_after(Some(1));
    assert!(world.attach(9, 20, 3).is_err());
    world.fail_after(None);
    assert_eq!(
        (world.state().mapped, world.state().free_pages),
        (before.mapped, before.free_pages)
    );
    world.restart();
    let (head, _) = crate::sheet::map(&mut world);
    assert_eq!(
        head[abi::percpu::map::head::BURIED],
        0,
        "it has never been a client"
    );
    assert!(world.attach(9, 20, 3).is_ok());
}

#[test]
fn there_is_room_for_so_many_clients_and_regions() {
    let mut world = World::new(8, 64, 0);
    for badge in 10..8 + MOST_CLIENTS as u64 {
        assert!(world.attach(badge, 1, 0).is_ok());
    }
    assert_eq!(world.attach(1000, 1, 0), Err(ServerFull(MOST_CLIENTS as u64)));
    let mut world = World::with_stride(64 << 20, 8, 0, 0);
    assert!(world.attach(2, 0, 0).is_ok());
    for _ in 0..MOST_REGIONS {
        granted(&mut world, 2, create(1, Populate::None));
    }
    let full = Err(ServerFull(MOST_REGIONS as u64));
    assert_eq!(world.ask(2, create(1, Populate::None)), full);
}

#[test]
fn nonsense_is_answered_counted_and_leaves_nothing() {
    let mut world = World::new(8, 64, 0);
    let with_capability = Request::Stats.encode().with_capability(Handle(700));
    assert_eq!(world.send(2, with_capability), Err(Malformed(6)));
    assert!(world.state().dropped.contains(&700));
    let unknown = Message::new(99, [1; 6]).with_capability(Handle(701));
    assert_eq!(world.send(2, unknown), Err(UnknownRequest(99)));
    assert!(world.state().dropped.contains(&701));
    let counted = stats(&mut world);
    assert_eq!((counted.refused, counted.malformed), (2, 2));
}
