//! Priorities that nobody may have, or give.

use userlib::abi::syscall::{DEFAULT_PRIORITY, PRIORITIES};
use userlib::abi::{Handle, Rights, Status};
use userlib::checks::Checks;
use userlib::process::{self, Child};
use userlib::{Refusal, ipc, start, thread};

use super::TOP;
use crate::children;

/// Checks everything in this file but [`lowered`].
pub fn check(checks: &mut Checks) -> Result<(), Refusal> {
    of_threads(checks);
    let child = Child::create(children::FRAMES, "probe-child")?;
    let unmanaged = process::grant(process::own(), child.process(), Rights::READ, 0)?;
    of_processes(checks, child.process(), unmanaged);
    ipc::drop_capability(unmanaged)?;
    child.let_go()
}

fn of_threads(checks: &mut Checks) {
    let wrong = [
        ("priority-above-limit", Handle::NONE, TOP + 1, too_high(TOP)),
        ("priority-highest", Handle::NONE, PRIORITIES - 1, too_high(TOP)),
        (
            "priority-beyond",
            Handle::NONE,
            PRIORITIES,
            refused(Status::BadArgument),
        ),
        (
            "priority-all-ones",
            Handle::NONE,
            u64::MAX,
            refused(Status::BadArgument),
        ),
        (
            "priority-of-nobody",
            Handle(u64::MAX),
            1,
            refused(Status::NoSuchHandle),
        ),
        (
            "priority-of-a-process",
            process::own(),
            1,
            refused(Status::WrongKind),
        ),
    ];
    for (name, thread, priority, expected) in wrong {
        checks.equal(name, thread::set_priority(thread, priority), expected);
    }
}

fn of_processes(checks: &mut Checks, child: Handle, unmanaged: Handle) {
    let wrong = [
        ("limit-above-limit", child, [TOP + 1, 0], too_high(TOP)),
        (
            "limit-beyond",
            child,
            [PRIORITIES, 0],
            refused(Status::BadArgument),
        ),
        ("start-above-limit", child, [2, 3], refused(Status::BadArgument)),
        (
            "limit-without-manage",
            unmanaged,
            [1, 1],
            refused(Status::MissingRight),
        ),
        (
            "limit-of-the-console",
            start::info().console,
            [1, 1],
            refused(Status::WrongKind),
        ),
    ];
    for (name, process, [limit, start], expected) in wrong {
        checks.equal(name, process::set_priority(process, limit, start), expected);
    }
    checks.equal("limit", process::set_priority(child, TOP, 0), Ok(()));
}

/// What a process has given up it does not get back; what its threads have, they keep.
pub fn lowered(checks: &mut Checks) -> Result<(), Refusal> {
    let own = process::own();
    let lower = DEFAULT_PRIORITY + 1;
    checks.equal("limit-lowered", process::set_priority(own, lower, lower), Ok(()));
    checks.equal(
        "limit-stays-lowered",
        process::set_priority(own, TOP, lower),
        too_high(lower),
    );
    checks.equal(
        "priority-stays-lowered",
        thread::set_priority(Handle::NONE, TOP),
        too_high(lower),
    );
    let child = Child::create(children::FRAMES, "probe-child")?;
    checks.equal(
        "limit-of-others",
        process::set_priority(child.process(), TOP, 0),
        too_high(lower),
    );
    child.let_go()
}

/// The highest priority that may be asked for is another one.
fn too_high(highest: u64) -> Result<(), Refusal> {
    Err(Refusal {
        status: Status::PriorityTooHigh,
        words: [highest, 0],
    })
}

fn refused(status: Status) -> Result<(), Refusal> {
    Err(Refusal::new(status))
}
