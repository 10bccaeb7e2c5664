//! The server ends at every kernel call of a script, before it and after it; so does the one that follows.

use abi::percpu::{Populate, Request};

use crate::kernel::End;
use crate::random::{Run, Step, Trouble};
use crate::sheet::map;
use crate::world::World;

fn script() -> Vec<(usize, Step)> {
    use Step::{Chore, Create, Depopulate, Destroy, Drain, Kill, Reserve};
    vec![
        (0, Reserve(2)),
        (0, Create(5, Populate::All)),
        (1, Create(6, Populate::None)),
        (1, Step::Populate(0, 1, 2)),
        (1, Step::Populate(0, 0, 5)),
        (0, Create(3, Populate::OnTouch)),
        (1, Depopulate(0, 1, 3)),
        (0, Depopulate(1, 0, 4)),
        (1, Create(9, Populate::All)),
        (0, Step::Populate(1, 0, 5)),
        (0, Chore),
        (1, Destroy(0)),
        (0, Chore),
        (0, Kill),
        (0, Chore),
        (0, Chore),
        (0, Chore),
        (0, Create(2, Populate::All)),
        (1, Destroy(0)),
        (0, Drain),
        (1, Reserve(1)),
        (0, Destroy(0)),
    ]
}

/// Runs the script; the server ends as arranged. How many kernel calls it took.
fn run(ends: &[End]) -> u64 {
    let mut run = Run::new();
    run.keeps_end = true;
    let before = run.world.kernel.0.borrow().calls;
    if let [first, rest @ ..] = ends {
        run.world.end_at(*first);
        run.world.next_ends = rest.to_vec();
    }
    for (which, step) in script().into_iter().chain(script()) {
        run.step(which, &step, &Trouble::default())
            .expect("nothing is wrong");
        run.check();
    }
    let calls = run.world.kernel.0.borrow().calls;
    calls - before
}

#[test]
fn a_server_may_end_at_every_call() {
    let calls = run(&[]);
    assert!(calls > 60, "the script is long: {calls} calls");
    for at in 0..calls {
        run(&[End::Before(at)]);
        run(&[End::After(at)]);
    }
}

#[test]
fn a_server_may_end_while_it_starts() {
    for at in [1, 9, 17, 25, 33, 60] {
        for starting in 0..14 {
            run(&[End::After(at), End::Before(starting)]);
            run(&[End::Before(at), End::After(starting), End::After(starting)]);
        }
    }
}

/// What the kernel does not confirm is dropped, and what the ledger does not know is unmapped.
#[test]
fn the_kernel_is_believed() {
    let mut world = World::new(8, 8, 0);
    let create = |pages: u64, populate| Request::Create {
        unit_bytes: pages * abi::PAGE_SIZE,
        populate,
        name: [0; 16],
    };
    assert!(world.ask(2, create(2, Populate::All)).is_ok());
    assert!(world.ask(2, create(2, Populate::None)).is_ok());
    let (_, entries) = map(&mut world);
    assert_eq!(entries.iter().filter(|entry| entry.kind != 0).count(), 2);
    // The head of the second region's record says that it is free.
    let second = 1536 + 4;
    world.kernel.0.borrow_mut().spoil(second, 1 << 32);
    world.restart();
    let (_, entries) = map(&mut world);
    assert_eq!(entries.iter().filter(|entry| entry.kind != 0).count(), 1);
    // Now the first one's: its pages are nobody's.
    world.kernel.0.borrow_mut().spoil(1536, 1 << 32);
    world.restart();
    assert_eq!(world.state().mapped.len(), 3, "only static parts are mapped");
    assert!(
        world.ask(2, create(8, Populate::All)).is_ok(),
        "its pages are free"
    );
}

/// Counters, quotas, names and generations are what they were.
#[test]
fn the_ledger_outlives_the_server() {
    let mut world = World::new(8, 8, 0);
    let name = *b"ledger\0\0\0\0\0\0\0\0\0\0";
    let create = Request::Create {
        unit_bytes: 1,
        populate: Populate::All,
        name,
    };
    let set = Request::SetQuota {
        badge: 2,
        quota_pages: 1,
    };
    assert!(world.ask(1, set).is_ok());
    let granted = world.ask(2, create).expect("one page is within the quota");
    let region = abi::percpu::RegionId::decode(granted[0]);
    let refused = world.ask(2, create);
    let before = map(&mut world).0;
    world.restart();
    let (head, entries) = map(&mut world);
    use abi::percpu::map::head;
    for at in [
        head::GRANTED,
        head::REFUSED,
        head::MALFORMED,
        head::SMALLEST,
        head::MOST_REGIONS,
    ] {
        assert_eq!(head[at], before[at], "{at}");
    }
    assert_eq!(head[head::RESTARTS], before[head::RESTARTS] + 1);
    let entry = entries.iter().find(|entry| entry.region == region.encode());
    assert_eq!(
        entry.map(|entry| abi::percpu::name_of_words(entry.name)),
        Some(name)
    );
    assert_eq!(world.ask(2, create), refused, "the quota is the same");
    assert!(world.ask(2, Request::Destroy { region }).is_ok());
    world.restart();
    let stale = Err(abi::percpu::PercpuError::StaleGeneration);
    assert_eq!(world.ask(2, Request::Destroy { region }), stale);
    world.kill(2);
    assert!(world.attach(4, 1, 0).is_ok());
    let next = world.ask(4, create).expect("one page is within the quota");
    let next = abi::percpu::RegionId::decode(next[0]);
    assert_eq!(
        (next.index, next.generation),
        (region.index, region.generation + 1)
    );
    assert_eq!(
        world.ask(4, Request::Destroy { region }),
        stale,
        "also for the next in its slot"
    );
}
