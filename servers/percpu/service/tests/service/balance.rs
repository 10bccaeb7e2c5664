//! What is done when nobody waits: pages are kept ready between two marks, and are clean.

use abi::PAGE_SIZE;
use abi::percpu::PercpuError::NodeExhausted;
use abi::percpu::map::head;
use abi::percpu::{Grant, PercpuError, Populate, RegionId, Request};

use crate::sheet::map;
use crate::world::World;

fn create(world: &mut World, pages: u64, populate: Populate) -> Result<RegionId, PercpuError> {
    let request = Request::Create {
        unit_bytes: pages * PAGE_SIZE,
        populate,
        name: [0; 16],
    };
    let words = world.ask(2, request)?;
    Ok(Grant::decode(&words).region)
}

/// Dynamic pages that are free, and those of them that are clean.
fn ready(world: &mut World) -> [u64; 2] {
    let (head, _) = map(world);
    [
        head[head::DYNAMIC_PAGES] - head[head::DYNAMIC_USED],
        head[head::DYNAMIC_CLEAN],
    ]
}

#[test]
fn nothing_is_made_for_nobody() {
    let mut world = World::new(4, 2, 100);
    world.balance();
    assert_eq!(world.state().free_pages, 100);
    assert_eq!(ready(&mut world), [2, 2], "but what there is is clean");
}

#[test]
fn few_pages_become_more_and_then_it_is_enough() {
    let mut world = World::new(4, 6, 100);
    assert!(create(&mut world, 3, Populate::All).is_ok());
    assert!(world.service.is_balance_due(), "3 pages are less than 4");
    assert!(world.balance() > 0);
    assert_eq!(world.state().free_pages, 84);
    assert_eq!(ready(&mut world), [19, 19]);
    assert!(!world.service.is_balance_due());
    assert_eq!(world.balance(), 0);
    let calls = world.kernel.0.borrow().calls;
    assert!(create(&mut world, 15, Populate::All).is_ok());
    let taken = world.kernel.0.borrow().calls - calls;
    assert_eq!(
        taken, 1,
        "a client that finds pages ready waits for one kernel call"
    );
    assert!(!world.service.is_balance_due(), "4 pages are enough");
}

#[test]
fn many_pages_go_back_when_nobody_waits_and_some_stay() {
    let mut world = World::new(4, 2, 200);
    assert!(world.attach(9, 200, 0).is_ok());
    let regions: Vec<_> = (0..10)
        .map(|_| create(&mut world, 2, Populate::All).expect("granted"))
        .collect();
    let large = Request::Create {
        unit_bytes: 40 * PAGE_SIZE,
        populate: Populate::All,
        name: [0; 16],
    };
    let large = Grant::decode(&world.ask(9, large).expect("granted")).region;
    let before = world.state().free_pages;
    assert!(world.ask(9, Request::Destroy { region: large }).is_ok());
    for region in regions {
        assert!(world.ask(2, Request::Destroy { region }).is_ok());
    }
    assert_eq!(world.state().free_pages, before, "no client has waited for that");
    assert!(world.service.is_balance_due());
    world.balance();
    let [free, clean] = ready(&mut world);
    assert!((4..=32).contains(&free) && clean == free, "{free} {clean}");
    assert!(world.kernel.0.borrow().dirty.iter().all(|(id, _)| *id == 100));
    assert!(!world.service.is_balance_due());
}

#[test]
fn dirty_pages_are_cleared_and_clean_ones_are_given_out_first() {
    let mut world = World::new(0, 24, 0);
    world.balance();
    let first = create(&mut world, 8, Populate::All).expect("granted");
    assert!(world.ask(2, Request::Destroy { region: first }).is_ok());
    assert_eq!(ready(&mut world)[1] + 8, ready(&mut world)[0]);
    let second = create(&mut world, 2, Populate::All).expect("granted");
    assert_eq!(
        ready(&mut world)[1] + 8,
        ready(&mut world)[0],
        "it has clean pages"
    );
    assert!(world.service.is_balance_due(), "8 dirty pages are many");
    world.balance();
    let [free, clean] = ready(&mut world);
    assert_eq!(free, clean);
    assert!(world.ask(2, Request::Destroy { region: second }).is_ok());
    assert!(!world.service.is_balance_due(), "2 are not");
    assert!(
        create(&mut world, 20, Populate::All).is_ok(),
        "dirty pages are pages, too"
    );
}

#[test]
fn what_is_kept_ready_is_no_reason_for_a_refusal() {
    let mut world = World::new(4, 2, 16);
    let region = create(&mut world, 3, Populate::All).expect("granted");
    assert!(world.ask(2, Request::Destroy { region }).is_ok());
    assert_eq!(world.state().free_pages, 0, "all is kept ready");
    let touched = create(&mut world, 16, Populate::OnTouch).expect("granted");
    assert_eq!(create(&mut world, 3, Populate::All), Err(NodeExhausted(7)));
    assert!(world.ask(2, Request::Destroy { region: touched }).is_ok());
    assert!(create(&mut world, 18, Populate::All).is_ok());
}

#[test]
fn a_kernel_with_nothing_left_is_not_asked_again_until_something_comes_back() {
    let mut world = World::new(4, 6, 0);
    let region = create(&mut world, 3, Populate::All).expect("granted");
    assert!(world.service.is_balance_due());
    world.balance();
    assert!(create(&mut world, 1, Populate::All).is_ok());
    assert!(!world.service.is_balance_due(), "it has refused");
    assert!(world.ask(2, Request::Destroy { region }).is_ok());
    assert!(create(&mut world, 3, Populate::All).is_ok());
    assert!(world.service.is_balance_due());
}

#[test]
fn after_a_drain_nothing_is_made_until_somebody_wants_pages() {
    let mut world = World::new(4, 2, 100);
    let region = create(&mut world, 3, Populate::All).expect("granted");
    assert!(world.ask(2, Request::Destroy { region }).is_ok());
    world.drain();
    world.balance();
    assert_eq!(world.state().free_pages, 100);
    assert!(create(&mut world, 1, Populate::All).is_ok());
    world.balance();
    assert!(world.state().free_pages < 100);
}

fn set_quota(world: &mut World) {
    let quota = Request::SetQuota {
        badge: 2,
        quota_pages: 100,
    };
    assert!(world.ask(1, quota).is_ok());
}

/// Everything that is free is in the hands of a chore when a client asks: it gets it.
#[test]
fn what_a_chore_has_in_hand_is_no_reason_for_a_refusal() {
    // Pages that are being cleared, of memory that goes back to the kernel then.
    let mut world = World::new(4, 2, 16);
    set_quota(&mut world);
    let region = create(&mut world, 14, Populate::All).expect("granted");
    assert!(world.ask(2, Request::Destroy { region }).is_ok());
    assert!(world.half_chore(), "pages are being cleared");
    let touched = create(&mut world, 16, Populate::OnTouch);
    assert!(touched.is_ok(), "{touched:?}");
    assert_eq!(
        create(&mut world, 3, Populate::All),
        Err(NodeExhausted(7)),
        "now it is true"
    );
    // Memory that is being made.
    let mut world = World::new(4, 6, 16);
    set_quota(&mut world);
    assert!(create(&mut world, 3, Populate::All).is_ok());
    assert!(world.half_chore(), "pages are being made");
    assert!(create(&mut world, 16, Populate::All).is_ok());
    assert_eq!(create(&mut world, 4, Populate::All), Err(NodeExhausted(7)));
}

/// Whoever waits for a chore does not wait for the next one, too; and nobody who has enough waits at all.
#[test]
fn there_is_no_chore_while_somebody_waits_for_one() {
    let mut world = World::new(4, 2, 16);
    let region = create(&mut world, 14, Populate::All).expect("granted");
    assert!(world.ask(2, Request::Destroy { region }).is_ok());
    let chore = world.service.chore().expect("there are dirty pages");
    assert!(world.service.is_busy());
    let request = |pages: u64, populate| Request::Create {
        unit_bytes: pages * PAGE_SIZE,
        populate,
        name: [0; 16],
    };
    let message = |request: Request, number| abi::Received {
        badge: 3,
        message: request.numbered(number),
    };
    let small = world.service.answer(&message(request(1, Populate::All), 1));
    assert_eq!(small.map(|answer| answer.label), Some(0));
    let large = message(request(16, Populate::OnTouch), 2);
    assert_eq!(world.service.answer(&large), None);
    assert!(!world.service.is_balance_due());
    let done = chore.act(&mut world.kernel.clone());
    assert!(world.service.settle(done));
    assert_eq!((world.service.chore(), world.service.is_busy()), (None, false));
    let refused = world.service.answer(&large).expect("it is settled");
    assert_eq!(
        PercpuError::from_answer(&refused),
        Err(NodeExhausted(7)),
        "one page is another client's"
    );
    assert!(world.service.chore().is_some());
}
