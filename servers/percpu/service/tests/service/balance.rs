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
