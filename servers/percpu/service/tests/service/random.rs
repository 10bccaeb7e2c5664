//! Random requests, with a kernel that fails at random, clients that end at random, and a server that ends at
//! random: what was refused has changed nothing, the map is what the clients hold, and everything comes back.

use abi::percpu::map::head;
use abi::percpu::{Grant, PercpuError, Populate, RegionId, Request, Stats};
use abi::{Message, PAGE_SIZE};
use proptest::prelude::*;

use crate::kernel::End;
use crate::sheet::map;
use crate::world::World;

const FREE: u64 = 60;

/// What a client, init or fate does.
#[derive(Clone, Debug)]
pub enum Step {
    Reserve(u64),
    Create(u64, Populate),
    Populate(usize, u64, u64),
    Depopulate(usize, u64, u64),
    Destroy(usize),
    Garbage(u64, [u64; 6]),
    Quota(u64),
    Drain,
    /// Half of one of the server's own chores.
    Chore,
    Kill,
}

/// What goes wrong during a step.
#[derive(Clone, Default, Debug)]
pub struct Trouble {
    pub fail_after: Option<u64>,
    pub end: Option<End>,
}

fn step() -> impl Strategy<Value = Step> {
    let mode = prop_oneof![Just(Populate::None), Just(Populate::All), Just(Populate::OnTouch)];
    prop_oneof![
        2 => (0..6u64).prop_map(Step::Reserve),
        4 => (0..14u64, mode).prop_map(|(pages, mode)| Step::Create(pages, mode)),
        3 => (any::<usize>(), 0..14u64, 0..14u64)
            .prop_map(|(which, page, count)| Step::Populate(which, page, count)),
        3 => (any::<usize>(), 0..14u64, 0..14u64)
            .prop_map(|(which, page, count)| Step::Depopulate(which, page, count)),
        3 => any::<usize>().prop_map(Step::Destroy),
        1 => (0..20u64, prop::array::uniform6(prop_oneof![Just(0), any::<u64>()]))
            .prop_map(|(label, words)| Step::Garbage(label, words)),
        1 => (0..30u64).prop_map(Step::Quota),
        1 => Just(Step::Drain),
        4 => Just(Step::Chore),
        1 => Just(Step::Kill),
    ]
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let end = (0..12u64, any::<bool>()).prop_map(|(calls, after)| match after {
        true => End::After(calls),
        false => End::Before(calls),
    });
    prop_oneof![
        4 => Just((None, None)),
        1 => (0..4u64).prop_map(|calls| (Some(calls), None)),
        2 => end.prop_map(|end| (None, Some(end))),
    ]
    .prop_map(|(fail_after, end)| Trouble { fail_after, end })
}

/// What a client knows of its regions: owner, id, first page, pages.
type Live = Vec<(u64, RegionId, u64, u64)>;

/// Two clients, and what they know.
pub struct Run {
    pub world: World,
    /// Whether an end of the server is arranged for beyond one step.
    pub keeps_end: bool,
    live: Live,
    /// The badges of the two clients, which change when one ends.
    badges: [u64; 2],
    next_badge: u64,
}

impl Run {
    pub fn new() -> Run {
        Run {
            world: World::new(10, 6, FREE),
            keeps_end: false,
            live: Vec::new(),
            badges: [2, 3],
            next_badge: 4,
        }
    }

    fn request(&self, step: &Step, badge: u64) -> Option<Request> {
        let pick = |which: usize| {
            let own: Vec<RegionId> = self
                .live
                .iter()
                .filter(|known| known.0 == badge)
                .map(|known| known.1)
                .collect();
            (!own.is_empty()).then(|| own[which % own.len()])
        };
        Some(match *step {
            Step::Reserve(pages) => Request::Reserve {
                bytes: pages * PAGE_SIZE,
                align: 8,
                name: *b"reserved\0\0\0\0\0\0\0\0",
            },
            Step::Create(pages, populate) => Request::Create {
                unit_bytes: pages * PAGE_SIZE,
                populate,
                name: [b'n'; 16],
            },
            Step::Populate(which, page, count) => Request::Populate {
                region: pick(which)?,
                page,
                count,
            },
            Step::Depopulate(which, page, count) => Request::Depopulate {
                region: pick(which)?,
                page,
                count,
            },
            Step::Destroy(which) => Request::Destroy { region: pick(which)? },
            _ => return None,
        })
    }

    pub fn step(&mut self, which: usize, step: &Step, trouble: &Trouble) -> Result<(), TestCaseError> {
        let badge = self.badges[which];
        let before = (self.world.state(), counters(&mut self.world), self.world.restarts);
        self.world.fail_after(trouble.fail_after);
        if let Some(end) = trouble.end {
            self.world.end_at(end);
        }
        let answer = match (step, self.request(step, badge)) {
            (_, Some(request)) => self
                .world
                .ask(badge, request)
                .map(|words| (request, words))
                .map_err(drop),
            (Step::Garbage(label, words), _) => {
                let answer = self.world.send(badge, Message::new(*label, *words));
                prop_assert!(answer.is_err() || matches!(label, 7 | 10));
                Err(())
            }
            (Step::Quota(quota_pages), _) => {
                let set = Request::SetQuota {
                    badge,
                    quota_pages: *quota_pages,
                };
                prop_assert!(self.world.ask(1, set).is_ok());
                self.settle();
                return Ok(());
            }
            (Step::Drain, _) => {
                prop_assert!(self.world.ask(1, Request::Drain).is_ok());
                self.settle();
                return Ok(());
            }
            (Step::Chore, _) => {
                self.world.half_chore();
                self.settle();
                prop_assert_eq!(self.world.state().mapped, before.0.mapped);
                return Ok(());
            }
            (Step::Kill, _) => return self.kill(which),
            _ => Err(()),
        };
        self.settle();
        match answer {
            Ok((Request::Reserve { .. } | Request::Create { .. }, words)) => {
                let grant = Grant::decode(&words);
                self.live.push((
                    badge,
                    grant.region,
                    grant.offset / PAGE_SIZE,
                    grant.bytes / PAGE_SIZE,
                ));
            }
            Ok((Request::Destroy { region }, _)) => self.live.retain(|known| known.1 != region),
            Ok(_) => {}
            Err(()) if before.2 == self.world.restarts => {
                prop_assert_eq!(
                    (self.world.state().mapped, counters(&mut self.world)),
                    (before.0.mapped, before.1)
                );
            }
            Err(()) => prop_assert_eq!(self.world.state().mapped, before.0.mapped),
        }
        Ok(())
    }

    /// No trouble any more.
    fn settle(&mut self) {
        self.world.fail_after(None);
        if !self.keeps_end {
            self.world.kernel.0.borrow_mut().end = None;
        }
    }

    fn kill(&mut self, which: usize) -> Result<(), TestCaseError> {
        let badge = self.badges[which];
        self.world.fail_after(None);
        self.world.kill(badge);
        self.settle();
        self.live.retain(|known| known.0 != badge);
        self.badges[which] = self.next_badge;
        self.next_badge += 1;
        prop_assert!(
            self.world
                .attach(self.badges[which], 20, which as u64 + 1)
                .is_ok()
        );
        Ok(())
    }

    /// The map, the kernel and the clients agree, and no page is lost.
    pub fn check(&mut self) {
        let state = self.world.state();
        let stats = counters(&mut self.world);
        let in_reserved = state
            .mapped
            .values()
            .filter(|((memory, _), _)| *memory == 100)
            .count() as u64;
        assert_eq!(stats.reserved_used, in_reserved);
        assert_eq!(stats.dynamic_used, state.mapped.len() as u64 - in_reserved);
        let made: u64 = state.memories.range(102..).map(|(_, (pages, _))| pages).sum();
        assert_eq!(state.free_pages + made, FREE, "no page is lost");
        let mut known: Vec<_> = self
            .live
            .iter()
            .map(|(badge, id, first, pages)| (*badge, id.encode(), *first, *pages))
            .collect();
        let (head, entries) = map(&mut self.world);
        let populated = state
            .memories
            .iter()
            .filter(|(id, (_, is_on_touch))| **id != 100 && !is_on_touch);
        let dirty = self.world.kernel.0.borrow().dirty.clone();
        let is_dirty = |id: u64, page: u64| dirty.contains(&(id, page));
        let clean = populated.flat_map(|(id, (pages, _))| (0..*pages).filter(|page| !is_dirty(*id, *page)));
        assert!(
            head[head::DYNAMIC_CLEAN] <= clean.count() as u64,
            "what the server calls clean is clean"
        );
        let mut told: Vec<_> = entries.iter().filter(|entry| entry.kind != 0).collect();
        for entry in &told {
            let window = 500 + entry.badge;
            let range = (window, entry.first)..(window, entry.first + entry.pages);
            let mapped = state.mapped.range(range);
            assert!(mapped.clone().all(|(_, (_, tag))| *tag == entry.region));
            assert_eq!(mapped.count() as u64, entry.held);
        }
        known.sort();
        told.sort_by_key(|entry| (entry.badge, entry.region));
        let told: Vec<_> = told
            .iter()
            .map(|entry| (entry.badge, entry.region, entry.first, entry.pages))
            .collect();
        assert_eq!(told, known, "the map is what the clients hold");
    }
}

fn counters(world: &mut World) -> Stats {
    let words = world.ask(1, Request::Stats).expect("init may ask");
    Stats {
        refused: 0,
        malformed: 0,
        ..Stats::decode(&words)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn refused_requests_change_nothing_and_all_pages_come_back(
        steps in prop::collection::vec((0..2usize, step(), trouble()), 1..60)
    ) {
        let mut run = Run::new();
        let mapped = run.world.state().mapped.len();
        for (which, step, trouble) in steps {
            run.step(which, &step, &trouble)?;
            run.check();
        }
        for (badge, region, ..) in std::mem::take(&mut run.live) {
            let destroyed = run.world.ask(badge, Request::Destroy { region });
            prop_assert!(destroyed.is_ok());
            prop_assert_eq!(run.world.ask(badge, Request::Destroy { region }), Err(PercpuError::StaleGeneration));
        }
        run.world.drain();
        let used = run.world.state();
        prop_assert_eq!(used.mapped.len(), mapped);
        for badge in run.badges {
            run.world.kill(badge);
        }
        run.world.drain();
        let state = run.world.state();
        prop_assert_eq!((state.free_pages, state.mapped.len(), state.memories.len()), (FREE, 0, 2));
    }
}
