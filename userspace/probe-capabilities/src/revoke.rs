//! Taking back: everything below, nothing beside, in all processes, however it came there.

use userlib::Refusal;
use userlib::abi::syscall::{CpuMask, End};
use userlib::abi::{Call, Handle, Message, Registers, Rights, Status};
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint};
use userlib::notification::Notification;
use userlib::process;
use userlib::syscall::ask;
use userlib::thread::{self, Place};

use crate::children;

/// More copies than one call takes back.
const MANY: usize = 150;
/// Copies of copies, one more than there can be.
const DEEP: usize = 16;

/// Checks everything in this file.
pub fn check(checks: &mut Checks) -> Result<(), Refusal> {
    below_and_beside(checks)?;
    calls_by_a_copy(checks)?;
    another_process(checks)?;
    bounded(checks)?;
    deep(checks)?;
    waiting(checks)
}

fn copy(of: Handle) -> Result<Handle, Refusal> {
    process::grant(process::own(), of, Rights::ALL, 0)
}

fn is_stale(handle: Handle) -> bool {
    ipc::drop_capability(handle) == Err(Refusal::new(Status::StaleHandle))
}

fn below_and_beside(checks: &mut Checks) -> Result<(), Refusal> {
    let root = Endpoint::create()?.0;
    let (left, right) = (copy(root)?, copy(root)?);
    let (middle, other) = (copy(left)?, copy(left)?);
    let leaf = copy(middle)?;
    // Whoever stands between may go before.
    ipc::drop_capability(middle)?;
    checks.equal("revoke-below", ipc::revoke(left), Ok(2));
    checks.that(
        "revoked-below",
        is_stale(leaf) && is_stale(other),
        format_args!("alive"),
    );
    checks.equal("revoke-again", ipc::revoke(left), Ok(0));
    checks.equal("revoke-the-rest", ipc::revoke(root), Ok(2));
    checks.that(
        "revoked-all",
        is_stale(left) && is_stale(right),
        format_args!("alive"),
    );
    let new = copy(root);
    checks.that("copies-again", new.is_ok(), format_args!("{new:?}"));
    // What was copied before whoever made the copies went is still below those above.
    let below = copy(new?)?;
    ipc::drop_capability(new?)?;
    checks.equal("revoke-grandchild", ipc::revoke(root), Ok(1));
    checks.that("revoked-grandchild", is_stale(below), format_args!("alive"));
    ipc::drop_capability(root)
}

/// The short way of a call sees it at once.
fn calls_by_a_copy(checks: &mut Checks) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let server = thread::spawn(Place::Cpu(0), move || {
        let mut received = endpoint.receive();
        while received.is_ok_and(|received| received.message.label != 0) {
            received = endpoint.reply_receive(&Message::default());
        }
        u64::from(ipc::reply(&Message::default()).is_err())
    })?;
    let by_copy = Endpoint(copy(endpoint.0)?);
    let one = Message::new(1, [0; 6]);
    let before = (0..8).all(|_| by_copy.call(&one).is_ok());
    checks.that("call-by-a-copy", before, format_args!("refused"));
    checks.equal("revoke-what-is-called", ipc::revoke(endpoint.0), Ok(1));
    let stale = Err(Refusal::new(Status::StaleHandle));
    checks.equal("call-by-what-was-revoked", by_copy.call(&one).map(drop), stale);
    endpoint.call(&Message::default())?;
    checks.equal("server-of-copies", server.join(), Ok(0));
    ipc::drop_capability(endpoint.0)
}

/// One that calls without end, on its own, is refused as soon as its capability is gone; and so is what it got from there.
fn another_process(checks: &mut Checks) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let (answering, calling) = (children::answering()?, children::calling()?);
    // Not a copy of what is taken back: it goes on receiving.
    let receive = copy(endpoint.0)?;
    let there = answering.grant(receive, Rights::RECEIVE, 0)?;
    children::start(&answering, there)?;
    let lent = copy(endpoint.0)?;
    let given = calling.grant(lent, Rights::SEND, 3)?;
    children::start(&calling, given)?;
    (0..4).for_each(|_| thread::yield_now());
    checks.equal("revoke-while-it-calls", ipc::revoke(lent), Ok(1));
    let end = process::wait(calling.process());
    checks.equal(
        "who-called-is-refused",
        end,
        Ok(End::Exited(Status::StaleHandle as u64)),
    );
    let answered = Endpoint(receive).call(&Message::new(1, [0; 6]));
    checks.that("others-go-on", answered.is_ok(), format_args!("{answered:?}"));
    // A server whose right to receive goes: it waits, and is refused when it asks again.
    checks.equal("revoke-receive", ipc::revoke(receive), Ok(1));
    let last = Endpoint(receive).call(&Message::new(1, [0; 6]));
    let lost = Err(Refusal::new(Status::ReplyLost));
    checks.equal("who-waits-gets-one-more", last.map(drop), lost);
    let end = process::wait(answering.process());
    checks.equal(
        "who-received-is-refused",
        end,
        Ok(End::Exited(Status::StaleHandle as u64)),
    );
    for child in [&answering, &calling] {
        child.forget()?;
    }
    [lent, receive, endpoint.0]
        .into_iter()
        .try_for_each(ipc::drop_capability)
}

/// Many go in several calls, and meanwhile nothing is added.
fn bounded(checks: &mut Checks) -> Result<(), Refusal> {
    let root = Notification::create()?.0;
    let mut copies = [Handle::NONE; MANY];
    for (at, handle) in copies.iter_mut().enumerate() {
        *handle = match at % 3 {
            0 => copy(root)?,
            _ => Handle::NONE,
        };
    }
    for at in 0..MANY {
        if copies[at].is_none() {
            copies[at] = copy(copies[at - at % 3])?;
        }
    }
    let step = || ask(Call::CapabilityRevoke, &Registers::of(&[root.0])).map(|got| [got.0[0], got.0[1]]);
    checks.equal("revoke-some", step(), Ok([64, 0]));
    let revoking = Err(Refusal::new(Status::BeingRevoked));
    checks.equal("copy-meanwhile", copy(root), revoking);
    let alive = copies.iter().find(|handle| copy(**handle) == revoking);
    checks.that(
        "copy-below-meanwhile",
        alive.is_some(),
        format_args!("none is refused so"),
    );
    checks.equal("revoke-more", step(), Ok([64, 0]));
    checks.equal("revoke-rest", step(), Ok([MANY as u64 - 128, 1]));
    checks.that(
        "revoked-many",
        copies.into_iter().all(is_stale),
        format_args!("alive"),
    );
    let after = copy(root)?;
    [after, root].into_iter().try_for_each(ipc::drop_capability)
}

fn deep(checks: &mut Checks) -> Result<(), Refusal> {
    let root = Notification::create()?.0;
    let (mut last, mut levels) = (root, 0);
    let refusal = loop {
        match copy(last) {
            Ok(next) if levels < 2 * DEEP => {
                last = next;
                levels += 1;
            }
            other => break other.map(drop),
        }
    };
    checks.equal("copies-of-copies", levels, DEEP - 1);
    checks.equal("copy-too-deep", refusal, Err(Refusal::new(Status::TooDeep)));
    checks.equal("revoke-deep", ipc::revoke(root), Ok(DEEP as u64 - 1));
    ipc::drop_capability(root)
}

/// Whoever waits by what is taken back goes on waiting: that was permitted when it asked.
fn waiting(checks: &mut Checks) -> Result<(), Refusal> {
    let notification = Notification::create()?;
    let lent = Notification(copy(notification.0)?);
    // On one CPU: it waits as soon as this one lets it run.
    thread::bind_self(&CpuMask::only(0))?;
    let waiter = thread::spawn(Place::Cpu(0), move || lent.wait().unwrap_or(99))?;
    (0..20).for_each(|_| thread::yield_now());
    checks.equal("revoke-what-is-waited-at", ipc::revoke(notification.0), Ok(1));
    notification.signal(6)?;
    checks.equal("waiter-is-woken", waiter.join(), Ok(6));
    thread::bind_self(&CpuMask::ALL)?;
    ipc::drop_capability(notification.0)
}
