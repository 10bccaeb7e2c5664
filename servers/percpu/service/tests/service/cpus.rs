//! CPUs that go and come: a request that is sent again is done once, whenever the server has ended.

use abi::Status;
use abi::percpu::PercpuError::{self, CpuRefused, Malformed, NotPermitted, StaleRequest};
use percpu_service::Change;

use crate::world::World;

const INIT: u64 = 1;

fn change(number: u64, cpu: u64, is_on: bool) -> Change {
    Change { number, cpu, is_on }
}

/// The kernel's part.
fn kernel(online: &mut [bool; 2], change: Change) -> Result<(), Status> {
    let cpu = &mut online[change.cpu as usize];
    match (core::mem::replace(cpu, change.is_on), change.is_on) {
        (true, true) => Err(Status::AlreadyOnline),
        (false, false) => Err(Status::NotOnline),
        _ => Ok(()),
    }
}

/// Asks; the server ends after so many of its three steps, and is asked again then.
fn ask(
    world: &mut World,
    online: &mut [bool; 2],
    change: Change,
    mut steps: usize,
) -> Result<(), PercpuError> {
    loop {
        let is_to_do = world
            .service
            .begin_change(INIT, change, online[change.cpu as usize])?;
        if is_to_do && steps != 0 {
            let done = kernel(online, change);
            if steps != 1 {
                world.service.end_change(done)?;
                steps -= 2;
            } else {
                steps = 0;
            }
        }
        if !is_to_do || steps > 0 {
            return Ok(());
        }
        steps = usize::MAX;
        world.restart();
    }
}

#[test]
fn a_change_that_is_asked_for_again_is_done_once() {
    for steps in [0, 1, 2, 100] {
        let mut world = World::new(4, 4, 0);
        let mut online = [true; 2];
        assert_eq!(ask(&mut world, &mut online, change(1, 1, false), steps), Ok(()));
        assert_eq!(online, [true, false]);
        let again = ask(&mut world, &mut online, change(2, 1, false), steps);
        assert_eq!(again, Err(CpuRefused(Status::NotOnline as u64)), "{steps}");
        assert_eq!(ask(&mut world, &mut online, change(3, 1, true), steps), Ok(()));
        assert_eq!(online, [true, true]);
        let again = ask(&mut world, &mut online, change(4, 1, true), steps);
        assert_eq!(again, Err(CpuRefused(Status::AlreadyOnline as u64)), "{steps}");
        assert_eq!(online, [true, true]);
    }
}

#[test]
fn numbers_and_cpus_are_checked() {
    let mut world = World::new(4, 4, 0);
    let mut online = [true; 2];
    assert_eq!(ask(&mut world, &mut online, change(5, 1, false), 100), Ok(()));
    let begin = |world: &mut World, badge, change| world.service.begin_change(badge, change, true);
    assert_eq!(begin(&mut world, 2, change(6, 1, true)), Err(NotPermitted));
    assert_eq!(begin(&mut world, INIT, change(5, 1, false)), Ok(false));
    assert_eq!(begin(&mut world, INIT, change(5, 0, false)), Err(Malformed(0)));
    assert_eq!(begin(&mut world, INIT, change(5, 1, true)), Err(Malformed(0)));
    assert_eq!(begin(&mut world, INIT, change(4, 1, false)), Err(StaleRequest(5)));
    let none = CpuRefused(Status::BadArgument as u64);
    for cpu in [256, 1 << 16, 1 + (1 << 16), u64::MAX] {
        assert_eq!(begin(&mut world, INIT, change(6, cpu, false)), Err(none));
    }
    assert_eq!(
        begin(&mut world, INIT, change(5, 1, false)),
        Ok(false),
        "nothing has changed"
    );
}
