//! Priorities: who is more urgent runs, a server runs at its caller's priority, and nobody takes more than was given.
//!
//! Threads here stay on CPU 0, the first one at [`TOP`], the highest that this program may give. A bystander of a
//! middle priority counts its turns when it is let: they tell at which priority somebody else was running.

mod floors;

use core::sync::atomic::{AtomicU64, Ordering};

use userlib::abi::syscall::{DEFAULT_PRIORITY, PRIORITIES};
use userlib::abi::{Handle, Received, Rights, Status};
use userlib::checks::Checks;
use userlib::fault::{self, Fault};
use userlib::ipc::{self, Endpoint};
use userlib::notification::Notification;
use userlib::process::{self, Child};
use userlib::thread::{self, Place, Thread};
use userlib::{Refusal, machine, percpu, start};

use crate::children;
use crate::faults;
use crate::helpers::{self, answer, message};
use crate::lending;

/// What the list of programs gives this one.
pub const TOP: u64 = 5;
/// What most threads have.
pub const MIDDLE: u64 = 3;
/// Of whoever is kept waiting.
pub const LOW: u64 = 1;
/// Instructions that take several slices.
const LONG: u64 = 2_000_000;
/// The bystander's turns when nobody stops it before.
const TURNS_IN_A_ROW: u64 = 1000;

/// Turns of the bystander since it was let.
static TURNS: AtomicU64 = AtomicU64::new(0);
/// Turns that it takes at most.
static MOST: AtomicU64 = AtomicU64::new(0);
/// Seen by somebody else than the first thread.
static SEEN: AtomicU64 = AtomicU64::new(0);

/// Checks everything in this file.
pub fn check(checks: &mut Checks) -> Result<(), Refusal> {
    refusals(checks)?;
    thread::set_priority(Handle::NONE, TOP)?;
    let bystander = Bystander {
        gate: Notification::create()?,
        done: Notification::create()?,
    };
    let counting = spawn(MIDDLE, move || bystander.run())?;
    strict(checks, bystander)?;
    woken(checks)?;
    donated(checks, bystander)?;
    donated_to_urgent(checks, bystander)?;
    floors::check(checks, bystander)?;
    given_back(checks)?;
    raised(checks, bystander)?;
    lost(checks, bystander)?;
    queue_order(checks)?;
    changed_while_ready(checks, bystander)?;
    faulting(checks, bystander)?;
    bystander.gate.signal(Bystander::END)?;
    checks.equal("bystander", counting.join(), Ok(0));
    percpu_server(checks)?;
    lending::check(checks)?;
    lowered(checks)
}

/// Who is kept from running by everybody above [`MIDDLE`].
#[derive(Clone, Copy)]
struct Bystander {
    gate: Notification,
    done: Notification,
}

impl Bystander {
    const GO: u64 = 1;
    const END: u64 = 2;

    fn run(self) -> u64 {
        loop {
            match self.gate.wait() {
                Ok(Self::GO) => {}
                Ok(Self::END) => return 0,
                _ => return 1,
            }
            while TURNS.load(Ordering::SeqCst) < MOST.load(Ordering::SeqCst) {
                TURNS.fetch_add(1, Ordering::SeqCst);
            }
            if self.done.signal(1).is_err() {
                return 2;
            }
        }
    }

    /// Lets it count up to so many turns.
    fn let_go(self, most: u64) -> Result<(), Refusal> {
        TURNS.store(0, Ordering::SeqCst);
        MOST.store(most, Ordering::SeqCst);
        self.gate.signal(Self::GO)
    }

    /// Its turns while something is done, which it wants to count all the time.
    fn turns_while(self, body: impl FnOnce() -> Result<(), Refusal>) -> Result<u64, Refusal> {
        self.let_go(u64::MAX)?;
        body()?;
        let turns = TURNS.load(Ordering::SeqCst);
        MOST.store(0, Ordering::SeqCst);
        self.done.wait()?;
        Ok(turns)
    }
}

/// A thread of that priority, which waits for something or has ended when this returns.
fn spawn(priority: u64, body: impl FnOnce() -> u64 + Send + 'static) -> Result<Thread, Refusal> {
    let thread = thread::spawn(Place::Cpu(0), move || {
        match thread::set_priority(Handle::NONE, priority) {
            Ok(()) => body(),
            Err(_) => u64::MAX,
        }
    })?;
    let_all_wait()?;
    Ok(thread)
}

/// Lets all others of this CPU run until they wait.
fn let_all_wait() -> Result<(), Refusal> {
    thread::set_priority(Handle::NONE, 0)?;
    thread::set_priority(Handle::NONE, TOP)
}

fn serve(
    endpoint: Endpoint,
    priority: u64,
    first: impl Fn(&Received) + Send + 'static,
) -> Result<Thread, Refusal> {
    spawn(priority, move || helpers::serve(endpoint, first))
}

/// Takes several slices.
pub fn busy() {
    (0..LONG).for_each(|step| {
        core::hint::black_box(step);
    });
}

fn refusals(checks: &mut Checks) -> Result<(), Refusal> {
    let too_high = Err(Refusal {
        status: Status::PriorityTooHigh,
        words: [TOP, 0],
    });
    let refused = |status| Err(Refusal::new(status));
    let of_thread = [
        ("priority-above-limit", Handle::NONE, TOP + 1, too_high),
        ("priority-highest", Handle::NONE, PRIORITIES - 1, too_high),
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
    for (name, thread, priority, expected) in of_thread {
        checks.equal(name, thread::set_priority(thread, priority), expected);
    }
    let child = Child::create(children::FRAMES, "probe-child")?;
    let unmanaged = process::grant(process::own(), child.process(), Rights::READ, 0)?;
    let of_process = [
        ("limit-above-limit", child.process(), [TOP + 1, 0], too_high),
        (
            "limit-beyond",
            child.process(),
            [PRIORITIES, 0],
            refused(Status::BadArgument),
        ),
        (
            "start-above-limit",
            child.process(),
            [2, 3],
            refused(Status::BadArgument),
        ),
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
    for (name, process, [limit, start], expected) in of_process {
        checks.equal(name, process::set_priority(process, limit, start), expected);
    }
    checks.equal("limit", process::set_priority(child.process(), TOP, 0), Ok(()));
    ipc::drop_capability(unmanaged)?;
    child.end()?;
    ipc::drop_capability(child.window())?;
    ipc::drop_capability(child.process())
}

/// Nobody runs while somebody more urgent does, slice after slice; equals share.
fn strict(checks: &mut Checks, bystander: Bystander) -> Result<(), Refusal> {
    let turns = bystander.turns_while(|| {
        busy();
        Ok(())
    })?;
    checks.equal("less-urgent-never-runs", turns, 0);
    let turns = bystander.turns_while(|| {
        thread::set_priority(Handle::NONE, MIDDLE)?;
        // On a loaded host the end of a slice may come late.
        (0..1000)
            .take_while(|_| TURNS.load(Ordering::SeqCst) == 0)
            .for_each(|_| busy());
        thread::set_priority(Handle::NONE, TOP)
    })?;
    checks.that("equals-share", turns > 0, format_args!("no turn"));
    let turns = bystander.turns_while(|| {
        thread::set_priority(Handle::NONE, MIDDLE + 1)?;
        (0..100).for_each(|_| thread::yield_now());
        thread::set_priority(Handle::NONE, TOP)
    })?;
    checks.equal("yielding-helps-equals-only", turns, 0);
    Ok(())
}

/// Who is woken by somebody less urgent runs at once.
fn woken(checks: &mut Checks) -> Result<(), Refusal> {
    let woken = Notification::create()?;
    SEEN.store(0, Ordering::SeqCst);
    let waking = thread::spawn(Place::Cpu(0), move || {
        let lowered = thread::set_priority(Handle::NONE, LOW);
        let signalled = woken.signal(1);
        SEEN.store(1, Ordering::SeqCst);
        u64::from(lowered.is_err() || signalled.is_err())
    })?;
    woken.wait()?;
    checks.equal("woken-runs-at-once", SEEN.load(Ordering::SeqCst), 0);
    checks.equal("woken-by", waking.join(), Ok(0));
    Ok(())
}

/// Servers of low priority, one calling the other, run at their caller's.
fn donated(checks: &mut Checks, bystander: Bystander) -> Result<(), Refusal> {
    let (outer, inner) = (Endpoint::create()?, Endpoint::create()?);
    let last = serve(inner, LOW, |_| busy())?;
    let server = serve(outer, LOW, move |received| {
        let mut nested = message(1, 5);
        // One that brings a capability goes the long way.
        if !received.message.capability.is_none() {
            nested = nested.with_capability(outer.0);
        }
        let answered = inner.call(&nested).map(|answer| answer.words[0]);
        assert!(
            answered == Ok(answer(1, 5).words[0]),
            "the inner call is answered"
        );
        busy();
    })?;
    for capability in [Handle::NONE, outer.0] {
        let call = message(1, 1).with_capability(capability);
        let turns = bystander.turns_while(|| {
            let answered = outer.call(&call).map(|answer| answer.words[0]);
            checks.equal("donated-answer", answered, Ok(answer(1, 1).words[0]));
            busy();
            Ok(())
        })?;
        checks.equal("donated-priority", turns, 0);
    }
    helpers::stop(outer, server)?;
    helpers::stop(inner, last)?;
    ipc::drop_capability(outer.0)?;
    ipc::drop_capability(inner.0)
}

/// A server that is urgent itself runs at its caller's low priority, too: who is woken meanwhile comes first.
fn donated_to_urgent(checks: &mut Checks, bystander: Bystander) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let server = serve(endpoint, TOP, move |received| {
        if received.message.label == 1 && bystander.let_go(TURNS_IN_A_ROW).is_ok() {
            SEEN.store(TURNS.load(Ordering::SeqCst), Ordering::SeqCst);
        }
    })?;
    let caller = spawn(LOW, move || {
        u64::from(endpoint.call(&message(1, 1)) != Ok(answer(1, 1)))
    })?;
    checks.equal("donated-to-urgent", caller.join(), Ok(0));
    checks.equal(
        "donated-low-priority",
        SEEN.load(Ordering::SeqCst),
        TURNS_IN_A_ROW,
    );
    bystander.done.wait()?;
    helpers::stop(endpoint, server)?;
    ipc::drop_capability(endpoint.0)
}

/// A server that has answered goes on at its own priority, behind whom it answered.
fn given_back(checks: &mut Checks) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    SEEN.store(0, Ordering::SeqCst);
    let server = spawn(LOW, move || {
        let received = endpoint.receive();
        let answered = ipc::reply(&message(1, 1));
        SEEN.store(1, Ordering::SeqCst);
        u64::from(received.is_err() || answered.is_err())
    })?;
    checks.equal(
        "given-back-answer",
        endpoint.call(&message(1, 1)),
        Ok(message(1, 1)),
    );
    checks.equal("given-back", SEEN.load(Ordering::SeqCst), 0);
    checks.equal("given-back-server", server.join(), Ok(0));
    ipc::drop_capability(endpoint.0)
}

/// A server that raises itself is urgent until it answers; its caller is not.
fn raised(checks: &mut Checks, bystander: Bystander) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let server = serve(endpoint, LOW, move |received| {
        if received.message.label == 1 {
            let raised = thread::set_priority(Handle::NONE, TOP);
            assert!(
                raised.is_ok() && bystander.let_go(TURNS_IN_A_ROW).is_ok(),
                "the server is raised"
            );
            SEEN.store(TURNS.load(Ordering::SeqCst), Ordering::SeqCst);
        }
    })?;
    let caller = spawn(LOW, move || {
        let answered = endpoint.call(&message(1, 1));
        let turns = TURNS.load(Ordering::SeqCst);
        if answered == Ok(answer(1, 1)) {
            turns
        } else {
            u64::MAX
        }
    })?;
    checks.equal("raised-caller", caller.join(), Ok(TURNS_IN_A_ROW));
    checks.equal("raised-server", SEEN.load(Ordering::SeqCst), 0);
    bystander.done.wait()?;
    helpers::stop(endpoint, server)?;
    ipc::drop_capability(endpoint.0)
}

/// The priority comes back from a server that ends.
fn lost(checks: &mut Checks, bystander: Bystander) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let server = spawn(LOW, move || u64::from(endpoint.receive().is_err()))?;
    let turns = bystander.turns_while(|| {
        let lost = endpoint.call(&message(1, 1));
        checks.equal("lost-answer", lost, Err(Refusal::new(Status::ReplyLost)));
        busy();
        Ok(())
    })?;
    checks.equal("lost-priority-comes-back", turns, 0);
    checks.equal("lost-server", server.join(), Ok(0));
    ipc::drop_capability(endpoint.0)
}

/// Callers that wait are served by priority, and in their order among equals.
fn queue_order(checks: &mut Checks) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    SEEN.store(0, Ordering::SeqCst);
    let mut number = 0;
    let callers = [2, 4, 3, 2, 4].map(|priority| {
        number += 1;
        let word = number;
        spawn(priority, move || {
            u64::from(endpoint.call(&message(1, word)) != Ok(answer(1, word)))
        })
    });
    let server = serve(endpoint, TOP, |received| {
        let digit = received.message.words[0];
        if digit != 0 {
            SEEN.store(SEEN.load(Ordering::SeqCst) * 10 + digit, Ordering::SeqCst);
        }
    })?;
    for caller in callers {
        checks.equal("queue-order-caller", caller.and_then(Thread::join), Ok(0));
    }
    checks.equal("queue-order", SEEN.load(Ordering::SeqCst), 25_314);
    helpers::stop(endpoint, server)?;
    ipc::drop_capability(endpoint.0)
}

/// A thread that is ready takes its new place at once.
fn changed_while_ready(checks: &mut Checks, bystander: Bystander) -> Result<(), Refusal> {
    let gate = Notification::create()?;
    for (priority, turns) in [(MIDDLE + 1, 0), (LOW, TURNS_IN_A_ROW)] {
        let first = MIDDLE + LOW + 1 - priority;
        let thread = spawn(first, move || match gate.wait() {
            Ok(_) => TURNS.load(Ordering::SeqCst),
            Err(_) => u64::MAX,
        })?;
        bystander.let_go(TURNS_IN_A_ROW)?;
        gate.signal(1)?;
        thread.set_priority(priority)?;
        checks.equal("changed-while-ready", thread.join(), Ok(turns));
        bystander.done.wait()?;
    }
    ipc::drop_capability(gate.0)
}

/// Who handles a fault runs at the priority of the thread that faulted.
fn faulting(checks: &mut Checks, bystander: Bystander) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let handler = spawn(LOW, move || {
        let Ok(received) = endpoint.receive() else {
            return 1;
        };
        let told = Fault::decode(&received.message);
        busy();
        u64::from(ipc::reply(&fault::resume_at(told.instruction + 2, told.stack)).is_err())
    })?;
    fault::tell(Handle::NONE, Some(endpoint))?;
    let turns = bystander.turns_while(|| {
        faults::undefined();
        busy();
        Ok(())
    })?;
    fault::tell(Handle::NONE, None)?;
    checks.equal("fault-donates-priority", turns, 0);
    checks.equal("fault-donates-handler", handler.join(), Ok(0));
    ipc::drop_capability(endpoint.0)
}

/// Urgent callers of the percpu server are served though less urgent ones are kept from running in the middle of it.
fn percpu_server(checks: &mut Checks) -> Result<(), Refusal> {
    static STOP: AtomicU64 = AtomicU64::new(0);
    STOP.store(0, Ordering::SeqCst);
    let calling = || {
        let lowered = thread::set_priority(Handle::NONE, LOW);
        let mut failed = u64::from(lowered.is_err());
        while STOP.load(Ordering::SeqCst) == 0 {
            failed += u64::from(percpu::hello().is_err());
        }
        failed
    };
    let mut callers = [const { None }; 4];
    for (caller, cpu) in callers.iter_mut().zip(machine::online()) {
        *caller = Some(thread::spawn(Place::Cpu(cpu), calling)?);
    }
    let_all_wait_a_while()?;
    let hog = thread::spawn(Place::Cpu(0), || {
        let lowered = thread::set_priority(Handle::NONE, MIDDLE);
        while STOP.load(Ordering::SeqCst) == 0 {
            core::hint::spin_loop();
        }
        u64::from(lowered.is_err())
    })?;
    let nap = Notification::create()?;
    let waking = thread::spawn(Place::Cpu(0), move || {
        // The most urgent thread waits in between, so that the others get into the server's way.
        let mut failed = u64::from(thread::set_priority(Handle::NONE, MIDDLE).is_err());
        while STOP.load(Ordering::SeqCst) == 0 {
            busy();
            failed += u64::from(nap.signal(1).is_err());
        }
        failed
    })?;
    let mut failed = 0;
    for _ in 0..40 {
        nap.wait()?;
        failed += (0..10).filter(|_| percpu::hello().is_err()).count();
    }
    STOP.store(1, Ordering::SeqCst);
    checks.equal("percpu-server-serves-the-urgent", failed, 0);
    for thread in callers.into_iter().flatten().chain([hog, waking]) {
        checks.equal("percpu-server-callers", thread.join(), Ok(0));
    }
    ipc::drop_capability(nap.0)
}

/// Lets less urgent threads of this CPU run for some time.
fn let_all_wait_a_while() -> Result<(), Refusal> {
    thread::set_priority(Handle::NONE, LOW)?;
    busy();
    thread::set_priority(Handle::NONE, TOP)
}

/// What a process has given up it does not get back; what its threads have, they keep.
fn lowered(checks: &mut Checks) -> Result<(), Refusal> {
    let own = process::own();
    let lower = DEFAULT_PRIORITY + 1;
    checks.equal("limit-lowered", process::set_priority(own, lower, lower), Ok(()));
    let too_high = Err(Refusal {
        status: Status::PriorityTooHigh,
        words: [lower, 0],
    });
    checks.equal(
        "limit-stays-lowered",
        process::set_priority(own, TOP, lower),
        too_high,
    );
    checks.equal(
        "priority-stays-lowered",
        thread::set_priority(Handle::NONE, TOP),
        too_high,
    );
    let child = Child::create(children::FRAMES, "probe-child")?;
    checks.equal(
        "limit-of-others",
        process::set_priority(child.process(), TOP, 0),
        too_high,
    );
    child.end()?;
    ipc::drop_capability(child.window())?;
    ipc::drop_capability(child.process())
}
