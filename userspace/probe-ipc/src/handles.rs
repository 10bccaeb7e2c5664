//! Handles that name no endpoint which may be called: each is refused by its own name, call by call.

use userlib::abi::{Handle, Message, Rights, Status};
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint};
use userlib::thread::Place;
use userlib::{Refusal, process, start};

use crate::helpers::{self, answer, message};

/// More than the slots that the short way knows.
const MANY: usize = 200;

/// The label of a message that brings a capability.
const GIFT: u64 = 8;

/// Checks everything in this file.
pub fn check(checks: &mut Checks) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let server = helpers::start(endpoint, Place::Cpu(0), |received| {
        let message = &received.message;
        assert!(
            message.label != GIFT || message.capability.0 != message.words[1],
            "a capability comes with a handle of its own"
        );
    })?;
    checks.equal("call-plain", endpoint.call(&message(1, 1)), Ok(answer(1, 1)));
    let refusals = [
        ("call-none", Handle::NONE, Status::NoSuchHandle),
        ("call-all-ones", Handle(u64::MAX), Status::NoSuchHandle),
        (
            "call-next-generation",
            Handle(endpoint.0.0 + (1 << 16)),
            Status::NoSuchHandle,
        ),
        (
            "call-no-generation",
            Handle(endpoint.0.0 & 0xffff),
            Status::NoSuchHandle,
        ),
        (
            "call-high-bit",
            Handle(endpoint.0.0 | 1 << 63),
            Status::NoSuchHandle,
        ),
        (
            "call-index-beyond",
            Handle(endpoint.0.0 + 128),
            Status::NoSuchHandle,
        ),
        ("call-console", start::info().console, Status::WrongKind),
        ("call-process", process::own(), Status::WrongKind),
    ];
    for (name, handle, status) in refusals {
        let got = Endpoint(handle).call(&message(1, 1));
        checks.equal(name, got, Err(Refusal::new(status)));
    }
    rights(checks, endpoint)?;
    stale(checks, endpoint)?;
    badges(checks)?;
    capabilities(checks, endpoint)?;
    high_slots(checks, endpoint)?;
    // Everything above left the server as it was.
    checks.equal(
        "call-after-refusals",
        endpoint.call(&message(1, 2)),
        Ok(answer(1, 2)),
    );
    helpers::stop(endpoint, server)?;
    ipc::drop_capability(endpoint.0)
}

fn rights(checks: &mut Checks, endpoint: Endpoint) -> Result<(), Refusal> {
    let with = |rights| process::grant(process::own(), endpoint.0, rights, 0).map(Endpoint);
    let (receive, send) = (with(Rights::RECEIVE)?, with(Rights::SEND)?);
    let missing = Err(Refusal::new(Status::MissingRight));
    checks.equal("call-without-send", receive.call(&message(1, 1)), missing);
    let received = send.reply_receive(&Message::default());
    checks.equal("receive-without-receive", received.map(drop), missing.map(drop));
    checks.equal("call-with-send", send.call(&message(1, 3)), Ok(answer(1, 3)));
    ipc::drop_capability(receive.0)?;
    ipc::drop_capability(send.0)
}

/// A handle that was dropped stays stale when its slot is used again, for the same endpoint or another.
fn stale(checks: &mut Checks, endpoint: Endpoint) -> Result<(), Refusal> {
    let copy = || process::grant(process::own(), endpoint.0, Rights::ALL, 0).map(Endpoint);
    let old = copy()?;
    checks.equal("call-copy", old.call(&message(1, 4)), Ok(answer(1, 4)));
    ipc::drop_capability(old.0)?;
    let stale = Err(Refusal::new(Status::StaleHandle));
    checks.equal("call-stale", old.call(&message(1, 1)), stale);
    let new = copy()?;
    checks.equal("slot-is-used-again", new.0.index(), old.0.index());
    checks.equal("call-stale-again", old.call(&message(1, 1)), stale);
    let received = old.reply_receive(&Message::default());
    checks.equal("receive-stale", received.map(drop), stale.map(drop));
    checks.equal("call-new", new.call(&message(1, 5)), Ok(answer(1, 5)));
    ipc::drop_capability(new.0)?;
    receive_by(checks, "answer-by-stale", old.0, Status::StaleHandle)?;
    let high_bit = Handle(endpoint.0.0 | 1 << 63);
    receive_by(checks, "answer-by-high-bit", high_bit, Status::NoSuchHandle)?;
    let send = process::grant(process::own(), endpoint.0, Rights::SEND, 0)?;
    receive_by(checks, "answer-without-receive", send, Status::MissingRight)?;
    ipc::drop_capability(send)
}

/// A server that answers and receives by a handle that is refused still has its caller.
fn receive_by(checks: &mut Checks, name: &str, handle: Handle, status: Status) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let server = userlib::thread::spawn(Place::Cpu(0), move || {
        let Ok(received) = endpoint.receive() else {
            return 1;
        };
        let refused = Endpoint(handle).reply_receive(&Message::default()).map(drop);
        let answered = ipc::reply(&received.message);
        u64::from(refused != Err(Refusal::new(status)) || answered.is_err())
    })?;
    helpers::let_others_run();
    checks.equal(name, endpoint.call(&message(1, 9)), Ok(message(1, 9)));
    checks.equal(name, server.join(), Ok(0));
    ipc::drop_capability(endpoint.0)
}

/// The server learns the badge of the handle that was used.
fn badges(checks: &mut Checks) -> Result<(), Refusal> {
    let echo = Endpoint::create()?;
    let server = userlib::thread::spawn(Place::Cpu(0), move || {
        let mut received = echo.receive();
        while let Ok(message) = received {
            if message.message.label == helpers::END {
                return ipc::reply(&message.message).map_or(1, |()| 0);
            }
            received = echo.reply_receive(&Message::new(message.badge, message.message.words));
        }
        1
    })?;
    helpers::let_others_run();
    for badge in [0, 1, u64::MAX - 1] {
        let badged = process::grant(process::own(), echo.0, Rights::SEND, badge).map(Endpoint)?;
        let answer = badged.call(&message(5, 1)).map(|answer| answer.label);
        checks.equal("badge", answer, Ok(badge));
        ipc::drop_capability(badged.0)?;
    }
    echo.call(&message(helpers::END, 0))?;
    checks.equal("badge-server", server.join(), Ok(0));
    ipc::drop_capability(echo.0)
}

/// A capability in a message arrives under another handle, there and back. The server keeps its copy.
fn capabilities(checks: &mut Checks, endpoint: Endpoint) -> Result<(), Refusal> {
    let mut with = message(GIFT, 6).with_capability(endpoint.0);
    with.words[1] = endpoint.0.0;
    let gift = endpoint.call(&with)?;
    let got = gift.capability;
    // The server told its own handle.
    let is_copy = got != endpoint.0 && !got.is_none() && got.0 != gift.words[2];
    checks.that("call-with-capability", is_copy, format_args!("{gift:?}"));
    let by_copy = Endpoint(got).call(&message(1, 7));
    checks.equal("call-by-copy", by_copy, Ok(answer(1, 7)));
    ipc::drop_capability(got)
}

/// Slots that the short way does not know work like the others.
fn high_slots(checks: &mut Checks, endpoint: Endpoint) -> Result<(), Refusal> {
    let mut copies = [Handle::NONE; MANY];
    for copy in &mut copies {
        *copy = process::grant(process::own(), endpoint.0, Rights::ALL, 0)?;
    }
    let mut wrong = 0;
    for (word, copy) in (0..).zip(copies) {
        wrong += u64::from(Endpoint(copy).call(&message(1, word)) != Ok(answer(1, word)));
    }
    checks.equal("call-by-every-slot", wrong, 0);
    // The low slots last, so that they are used next: what follows is to go the short way.
    copies.into_iter().rev().try_for_each(ipc::drop_capability)
}
