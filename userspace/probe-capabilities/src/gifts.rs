//! Capabilities in messages: each sent in one way and looked at where it arrives.

use userlib::abi::{Handle, Message, Rights, Status};
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint, Gift};
use userlib::memory::Memory;
use userlib::notification::Notification;
use userlib::process;
use userlib::thread::{self, Place, Thread};
use userlib::{Refusal, println};

use crate::children;

/// The labels of messages to [`serve`].
const PLAIN: u64 = 1;
const TAKE_FOUR: u64 = 2;
const GIVE_TWO: u64 = 3;
const END: u64 = 4;

/// Checks everything in this file.
pub fn check(checks: &mut Checks) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let server = thread::spawn(Place::Anywhere, move || match serve(endpoint) {
        Ok(odd) => odd,
        Err(refusal) => {
            println!("probe-capabilities: the server: {refusal}");
            99
        }
    })?;
    four_at_once(checks, endpoint)?;
    refusals(checks, endpoint)?;
    answers(checks, endpoint)?;
    end(checks, endpoint, server)?;
    another_process(checks)?;
    full_table(checks)
}

fn end(checks: &mut Checks, endpoint: Endpoint, server: Thread) -> Result<(), Refusal> {
    endpoint.call(&Message::new(END, [0; 6]))?;
    checks.equal("gifts-arrive-as-they-were-sent", server.join(), Ok(0));
    ipc::drop_capability(endpoint.0)
}

/// Looks at what comes. How much of it was odd.
fn serve(endpoint: Endpoint) -> Result<u64, Refusal> {
    let mut odd = 0;
    let mut received = endpoint.receive()?;
    loop {
        let nothing = Message::default();
        received = match received.message.label {
            TAKE_FOUR => {
                odd += look_at_four(received.message.capability)?;
                endpoint.reply_receive(&nothing)?
            }
            // For the next one.
            PLAIN => {
                ipc::accept(received.message.words[0] as usize)?;
                endpoint.reply_receive(&nothing)?
            }
            GIVE_TWO => {
                let (memory, notification) = (Memory::own(1)?.into_handle(), Notification::create()?.0);
                let gifts = [
                    Gift::moved(notification),
                    Gift {
                        rights: Rights::READ,
                        ..Gift::copy(memory)
                    },
                ];
                let next = endpoint.reply_receive_with(&nothing, &gifts)?;
                odd += u64::from(ipc::drop_capability(notification) != stale());
                ipc::drop_capability(memory)?;
                next
            }
            _ => {
                ipc::reply(&nothing)?;
                return Ok(odd);
            }
        }
    }
}

fn stale<T>() -> Result<T, Refusal> {
    Err(Refusal::new(Status::StaleHandle))
}

/// What [`four_at_once`] sends: an endpoint with a badge, a notification that can be signalled only, a memory object that was
/// moved, and an endpoint as it is.
fn look_at_four(first: Handle) -> Result<u64, Refusal> {
    let [badged, notification, memory, plain] = ipc::received()?;
    let missing = Err(Refusal::new(Status::MissingRight));
    let again = process::grant(process::own(), badged, Rights::ALL, 8);
    let whole = process::grant(process::own(), plain, Rights::ALL, 9);
    let odd = [
        first != badged,
        Notification(notification).signal(1).is_err(),
        Notification(notification).collect().map(drop) != missing,
        Memory::received(memory).is_err(),
        again != Err(Refusal::new(Status::BadArgument)),
        whole.is_err(),
    ];
    for handle in [badged, notification, plain, whole?] {
        ipc::drop_capability(handle)?;
    }
    Ok(odd.into_iter().map(u64::from).sum())
}

fn four_at_once(checks: &mut Checks, server: Endpoint) -> Result<(), Refusal> {
    server.call(&Message::new(PLAIN, [4, 0, 0, 0, 0, 0]))?;
    let (endpoint, notification) = (Endpoint::create()?.0, Notification::create()?.0);
    let memory = Memory::own(1)?.into_handle();
    let gifts = [
        Gift {
            badge: 7,
            ..Gift::copy(endpoint)
        },
        Gift {
            rights: Rights::SEND,
            ..Gift::copy(notification)
        },
        Gift::moved(memory),
        Gift::copy(endpoint),
    ];
    let sent = server.call_with(&Message::new(TAKE_FOUR, [0; 6]), &gifts);
    checks.equal("four-gifts", sent.map(drop), Ok(()));
    checks.equal("gift-was-signalled", Notification(notification).collect(), Ok(1));
    checks.equal("moved-gift-is-gone", ipc::drop_capability(memory), stale());
    [endpoint, notification]
        .into_iter()
        .try_for_each(ipc::drop_capability)
}

/// Each refusal leaves everything where it was.
fn refusals(checks: &mut Checks, server: Endpoint) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?.0;
    let weak = process::grant(process::own(), endpoint, Rights::SEND, 0)?;
    let badged = process::grant(process::own(), endpoint, Rights::ALL, 5)?;
    let badge = |handle, badge| Gift {
        badge,
        ..Gift::copy(handle)
    };
    let moved = Gift::moved(endpoint);
    server.call(&Message::new(PLAIN, [1, 0, 0, 0, 0, 0]))?;
    let table: [(&str, &[Gift], Status); 7] = [
        (
            "gifts-too-many",
            &[moved, Gift::copy(badged)],
            Status::TooManyCapabilities,
        ),
        (
            "gift-without-grant",
            &[moved, Gift::copy(weak)],
            Status::MissingRight,
        ),
        (
            "gift-that-is-none",
            &[moved, Gift::copy(Handle(77 << 40))],
            Status::NoSuchHandle,
        ),
        (
            "gift-badged-twice",
            &[moved, badge(badged, 6)],
            Status::BadArgument,
        ),
        (
            "gift-with-the-kernels-badge",
            &[badge(endpoint, u64::MAX)],
            Status::BadArgument,
        ),
        ("gift-moved-twice", &[moved, moved], Status::BadArgument),
        (
            "gift-moved-and-copied",
            &[moved, Gift::copy(endpoint)],
            Status::BadArgument,
        ),
    ];
    for (name, gifts, status) in table {
        let sent = server.call_with(&Message::new(TAKE_FOUR, [0; 6]), gifts);
        checks.equal(name, sent.map(drop), Err(Refusal::new(status)));
        let copy = process::grant(process::own(), endpoint, Rights::ALL, 0);
        checks.that("refused-gifts-stay", copy.is_ok(), format_args!("{copy:?}"));
        ipc::drop_capability(copy?)?;
    }
    server.call(&Message::new(PLAIN, [0; 6]))?;
    let sent = server.call_with(&Message::new(TAKE_FOUR, [0; 6]), &[moved]);
    let too_many = Err(Refusal::new(Status::TooManyCapabilities));
    checks.equal("gift-for-who-takes-none", sent.map(drop), too_many);
    [weak, badged, endpoint]
        .into_iter()
        .try_for_each(ipc::drop_capability)
}

/// Answers bring them, too.
fn answers(checks: &mut Checks, server: Endpoint) -> Result<(), Refusal> {
    let ask = Message::new(GIVE_TWO, [0; 6]);
    ipc::accept(2)?;
    let answer = server.call(&ask)?;
    let [notification, memory, ..] = ipc::received()?;
    checks.equal("answer-brings-two", answer.capability, notification);
    checks.equal(
        "answered-notification",
        Notification(notification).collect(),
        Ok(0),
    );
    let copy = process::grant(process::own(), memory, Rights::ALL, 0);
    checks.equal(
        "answered-memory-is-weak",
        copy,
        Err(Refusal::new(Status::MissingRight)),
    );
    [notification, memory]
        .into_iter()
        .try_for_each(ipc::drop_capability)?;
    ipc::accept(1)
}

/// Into a table that is not this one: the way with two tables.
fn another_process(checks: &mut Checks) -> Result<(), Refusal> {
    let (endpoint, thing) = (Endpoint::create()?, Endpoint::create()?.0);
    let child = children::answering()?;
    let there = child.grant(endpoint.0, Rights::RECEIVE, 0)?;
    children::start(&child, there)?;
    let send = |gift| {
        endpoint
            .call_with(&Message::new(PLAIN, [0; 6]), &[gift])
            .map(drop)
    };
    checks.equal("copy-to-another", send(Gift::copy(thing)), Ok(()));
    // Its table is filled until it takes no more.
    let mut filled = 0_u64;
    while child.grant(thing, Rights::SEND, 0).is_ok() {
        filled += 1;
    }
    let full = send(Gift::moved(thing)).map_err(|refusal| refusal.status);
    checks.equal("another-is-full", full, Err(Status::TableFull));
    checks.that("another-was-filled", filled > 400, format_args!("{filled}"));
    // All that it has of it goes, and there is room again.
    let taken = ipc::revoke(thing);
    checks.equal("revoke-from-another", taken, Ok(filled + 1));
    checks.equal("move-to-another", send(Gift::moved(thing)), Ok(()));
    checks.equal("moved-to-another", ipc::drop_capability(thing), stale());
    child.end()?;
    for handle in [child.window(), child.process(), endpoint.0] {
        ipc::drop_capability(handle)?;
    }
    Ok(())
}

/// A table of one's own that takes no more.
fn full_table(checks: &mut Checks) -> Result<(), Refusal> {
    let (endpoint, thing) = (Endpoint::create()?, Endpoint::create()?.0);
    let server = thread::spawn(Place::Anywhere, move || {
        let mut received = endpoint.receive();
        while received.is_ok_and(|received| received.message.label != END) {
            received = endpoint.reply_receive(&Message::default());
        }
        u64::from(ipc::reply(&Message::default()).is_err())
    })?;
    let mut made = [Handle::NONE; 512];
    let mut count = 0;
    while let Ok(copy) = process::grant(process::own(), thing, Rights::ALL, 0) {
        made[count] = copy;
        count += 1;
    }
    let sent = endpoint.call_with(&Message::new(PLAIN, [0; 6]), &[Gift::copy(thing)]);
    let status = sent.map(drop).map_err(|refusal| refusal.status);
    checks.equal("own-table-is-full", status, Err(Status::TableFull));
    checks.equal("revoke-many", ipc::revoke(thing), Ok(count as u64));
    checks.equal("revoked-many", ipc::drop_capability(made[0]), stale());
    endpoint.call(&Message::new(END, [0; 6]))?;
    checks.equal("full-table-server", server.join(), Ok(0));
    [endpoint.0, thing].into_iter().try_for_each(ipc::drop_capability)
}
