//! Servers and handlers: at which priority they run, and who is served first.

use core::sync::atomic::Ordering;

use userlib::Refusal;
use userlib::abi::{Handle, Received, Status};
use userlib::checks::Checks;
use userlib::fault::{self, Fault};
use userlib::ipc::{self, Endpoint};
use userlib::thread::{self, Thread};

use super::bystander::Bystander;
use super::{LOW, SEEN, TOP, TURNS_IN_A_ROW, busy, spawn};
use crate::faults;
use crate::helpers::{self, answer, message};

/// The label of the call that counts.
const CALL: u64 = 1;

/// Checks everything in this file.
pub fn check(checks: &mut Checks, bystander: Bystander) -> Result<(), Refusal> {
    donated(checks, bystander)?;
    served(checks, bystander)?;
    given_back(checks)?;
    lost(checks, bystander)?;
    queue_order(checks)?;
    faulting(checks, bystander)
}

/// A server at an endpoint, which does something before it answers.
pub fn serve(
    endpoint: Endpoint,
    priority: u64,
    first: impl Fn(&Received) + Send + 'static,
) -> Result<Thread, Refusal> {
    spawn(priority, move || helpers::serve(endpoint, first))
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

/// A server that is urgent itself runs at its caller's low priority, too, and one that raises itself at what it has raised
/// itself to, until it answers. Its caller has his own then.
fn served(checks: &mut Checks, bystander: Bystander) -> Result<(), Refusal> {
    type Act = fn() -> Result<(), Refusal>;
    let raise = || thread::set_priority(Handle::NONE, TOP);
    let servers: [(&str, u64, Act, u64); 2] = [
        ("donated-low-priority", TOP, || Ok(()), TURNS_IN_A_ROW),
        ("raised-server", LOW, raise, 0),
    ];
    for (name, priority, act, turns) in servers {
        let seen = turns_in_the_middle(bystander, priority, act)?;
        checks.equal(name, seen, [turns, TURNS_IN_A_ROW]);
    }
    Ok(())
}

/// Somebody of low priority calls a server, which does something and lets the bystander go: its turns so far when the server
/// goes on, and when the caller has its answer.
fn turns_in_the_middle(
    bystander: Bystander,
    priority: u64,
    act: fn() -> Result<(), Refusal>,
) -> Result<[u64; 2], Refusal> {
    let endpoint = Endpoint::create()?;
    let server = serve(endpoint, priority, move |received| {
        if received.message.label == CALL {
            assert!(act().is_ok(), "the server may do that");
            assert!(
                bystander.let_go(TURNS_IN_A_ROW).is_ok(),
                "the bystander is let go"
            );
            SEEN.store(Bystander::turns(), Ordering::SeqCst);
        }
    })?;
    let caller = spawn(LOW, move || match endpoint.call(&message(CALL, 1)) {
        Ok(answered) if answered == answer(CALL, 1) => Bystander::turns(),
        _ => u64::MAX,
    })?;
    let answered = caller.join()?;
    bystander.wait()?;
    helpers::stop(endpoint, server)?;
    ipc::drop_capability(endpoint.0)?;
    Ok([SEEN.load(Ordering::SeqCst), answered])
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
