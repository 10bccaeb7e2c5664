//! Random requests, with a kernel that fails at random: what was refused has changed nothing, and what was
//! given out comes back.

use abi::percpu::{Grant, PercpuError, Populate, RegionId, Request, Stats};
use abi::{Message, PAGE_SIZE};
use proptest::prelude::*;

use crate::kernel::{State, World};

#[derive(Clone, Debug)]
enum Step {
    Reserve(u64),
    Create(u64, bool),
    Populate(usize, u64, u64),
    Destroy(usize),
    Garbage(u64, [u64; 6]),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..6u64).prop_map(Step::Reserve),
        (0..14u64, any::<bool>()).prop_map(|(pages, all)| Step::Create(pages, all)),
        (any::<usize>(), 0..14u64, 0..14u64)
            .prop_map(|(which, page, count)| Step::Populate(which, page, count)),
        any::<usize>().prop_map(Step::Destroy),
        (
            0..20u64,
            prop::array::uniform6(prop_oneof![Just(0), any::<u64>()])
        )
            .prop_map(|(label, words)| Step::Garbage(label, words)),
    ]
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step, Option<u64>)>> {
    let fail_after = prop_oneof![3 => Just(None), 1 => (0..4u64).prop_map(Some)];
    prop::collection::vec((2..4u64, step(), fail_after), 1..60)
}

/// The client's live regions, as it knows them.
type Live = Vec<(u64, RegionId)>;

fn request(step: &Step, badge: u64, live: &Live) -> Option<Message> {
    let pick = |which: usize| {
        let own: Vec<RegionId> = live
            .iter()
            .filter(|(owner, _)| *owner == badge)
            .map(|(_, id)| *id)
            .collect();
        (!own.is_empty()).then(|| own[which % own.len()])
    };
    let request = match *step {
        Step::Reserve(pages) => Request::Reserve {
            bytes: pages * PAGE_SIZE,
            align: 8,
        },
        Step::Create(pages, all) => Request::Create {
            unit_bytes: pages * PAGE_SIZE,
            populate: if all { Populate::All } else { Populate::None },
            name: [0; 16],
        },
        Step::Populate(which, page, count) => Request::Populate {
            region: pick(which)?,
            page,
            count,
        },
        Step::Destroy(which) => Request::Destroy { region: pick(which)? },
        Step::Garbage(label, words) => return Some(Message::new(label, words)),
    };
    Some(request.encode())
}

fn counters(world: &mut World) -> Stats {
    let words = world.ask(2, Request::Stats).expect("client 2 is attached");
    Stats {
        refused: 0,
        malformed: 0,
        ..Stats::decode(&words)
    }
}

/// Pages of a client that have frames, beside its static part.
fn held(state: &State, badge: u64) -> u64 {
    let static_pages = badge - 1;
    let window = 500 + badge;
    state.mapped.keys().filter(|(owner, _)| *owner == window).count() as u64 - static_pages
}

fn check(world: &mut World) {
    let state = world.state();
    let stats = counters(world);
    let in_reserved = state
        .mapped
        .values()
        .filter(|((memory, _), _)| *memory == 100)
        .count() as u64;
    assert_eq!(stats.reserved_used, in_reserved);
    assert_eq!(stats.dynamic_used, state.mapped.len() as u64 - in_reserved);
    for badge in [2, 3] {
        let refused = world.ask(
            badge,
            Request::Create {
                unit_bytes: 21 * PAGE_SIZE,
                populate: Populate::All,
                name: [0; 16],
            },
        );
        let used = held(&state, badge);
        assert_eq!(refused, Err(PercpuError::QuotaExceeded { limit: 20, used }));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn refused_requests_change_nothing_and_all_pages_come_back(steps in steps()) {
        let mut world = World::new(10, 6, 24);
        let (beginning, counted) = (world.state(), counters(&mut world));
        let mut live: Live = Vec::new();
        for (badge, step, fail_after) in steps {
            let Some(message) = request(&step, badge, &live) else { continue };
            let before = (world.state(), counters(&mut world));
            world.fail_after(fail_after);
            let answer = world.send(badge, message);
            world.fail_after(None);
            match (answer, message.label) {
                (Ok(words), 2 | 3) => live.push((badge, Grant::decode(&words).region)),
                (Ok(_), 6) => live.retain(|(owner, id)| (*owner, id.encode()) != (badge, message.words[0])),
                (Ok(_), _) => {}
                (Err(_), _) => prop_assert_eq!((world.state(), counters(&mut world)), before),
            }
            prop_assert_eq!(counters(&mut world).regions, live.len() as u64);
            check(&mut world);
        }
        for (badge, region) in live {
            let destroyed = world.ask(badge, Request::Destroy { region });
            prop_assert!(destroyed.is_ok());
        }
        prop_assert_eq!(world.state(), beginning);
        prop_assert_eq!(counters(&mut world), counted);
    }
}
