//! Messages between threads: whole, in order, with badges that tell the truth and capabilities that work.

use core::sync::atomic::{AtomicU64, Ordering};

use userlib::abi::{Handle, Message, Received, Rights, Status};
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint};
use userlib::thread::{self, Place, Thread};
use userlib::{Refusal, machine, process};

const BADGE: u64 = 42;
const CALLS: u64 = 500;
/// Asks the echo to end.
const END: u64 = 99;

/// Checks everything in this file.
pub fn check(checks: &mut Checks) {
    let Some(endpoint) = checks.success("endpoint", Endpoint::create()) else {
        return;
    };
    let badged = process::grant(process::own(), endpoint.0, Rights::SEND.or(Rights::GRANT), BADGE);
    let Some(badged) = checks.success("badge", badged).map(Endpoint) else {
        return;
    };
    echo(checks, endpoint, badged);
    lost(checks, endpoint, badged);
    dropped_under_waiters(checks);
    let dropped = ipc::drop_capability(badged.0).and(ipc::drop_capability(endpoint.0));
    checks.equal("endpoint-drop", dropped, Ok(()));
}

/// Answers with the badge and the words, each one more; a capability goes back as it came.
fn serve(endpoint: Endpoint) -> u64 {
    let mut received = endpoint.receive();
    let mut served = 0;
    while let Ok(Received { badge, message }) = received {
        let answer = Message::new(badge, message.words.map(|word| word.wrapping_add(1)));
        if message.label == END {
            return match ipc::reply(&answer) {
                Ok(()) => served,
                Err(_) => u64::MAX,
            };
        }
        served += 1;
        received = endpoint.reply_receive(&answer.with_capability(message.capability));
    }
    u64::MAX
}

fn call_often(endpoint: Endpoint) -> u64 {
    let mut wrong = 0;
    for number in 0..CALLS {
        let words = [number, 1, 2, 3, 4, u64::MAX];
        let expected = Message::new(BADGE, [number + 1, 2, 3, 4, 5, 0]);
        wrong += u64::from(endpoint.call(&Message::new(0, words)) != Ok(expected));
    }
    wrong
}

fn echo(checks: &mut Checks, endpoint: Endpoint, badged: Endpoint) {
    let server = thread::spawn(Place::Anywhere, move || serve(endpoint));
    checks.equal("call", call_often(badged), 0);
    let mut calls = CALLS;
    let mut wrong = 0;
    for cpu in machine::online() {
        let callers = [(); 2].map(|()| thread::spawn(Place::Cpu(cpu), move || call_often(badged)));
        for caller in callers {
            wrong += caller.and_then(Thread::join).unwrap_or(1);
            calls += CALLS;
        }
    }
    checks.equal("call-from-every-cpu", wrong, 0);
    capability(checks, badged);
    let ended = badged.call(&Message::new(END, [0; 6]));
    checks.that("reply", ended.is_ok(), format_args!("{ended:?}"));
    checks.equal("served", server.and_then(Thread::join), Ok(calls + 1));
}

/// An endpoint goes there and back: the handle that comes is another, for the same endpoint.
fn capability(checks: &mut Checks, badged: Endpoint) {
    let with = Message::new(0, [0; 6]).with_capability(badged.0);
    let answer = badged.call(&with).map(|answer| answer.capability);
    let Some(copy) = checks.success("capability-copy", answer) else {
        return;
    };
    checks.that(
        "capability-handle",
        copy != Handle::NONE && copy != badged.0,
        format_args!("{copy:?}"),
    );
    checks.equal("capability-drop", ipc::drop_capability(copy), Ok(()));
}

/// A server that ends without an answer does not leave its caller waiting.
fn lost(checks: &mut Checks, endpoint: Endpoint, badged: Endpoint) {
    let server = thread::spawn(Place::Anywhere, move || u64::from(endpoint.receive().is_err()));
    let answer = badged.call(&Message::default());
    checks.equal("reply-lost", answer, Err(Refusal::new(Status::ReplyLost)));
    checks.equal("reply-lost-server", server.and_then(Thread::join), Ok(0));
}

/// Who waits at an endpoint that nobody can reach any more is told, wherever its CPU idles meanwhile.
fn dropped_under_waiters(checks: &mut Checks) {
    let names = ["dropped-under-caller", "dropped-under-receiver"];
    let waits: [fn(Endpoint) -> Status; 2] = [
        |endpoint| {
            endpoint
                .call(&Message::default())
                .map_or_else(|refusal| refusal.status, |_| Status::Ok)
        },
        |endpoint| {
            endpoint
                .receive()
                .map_or_else(|refusal| refusal.status, |_| Status::Ok)
        },
    ];
    let expected = [Status::ReplyLost, Status::StaleHandle];
    for ((name, wait), expected) in names.into_iter().zip(waits).zip(expected) {
        for cpu in machine::online() {
            let Some(endpoint) = checks.success("dropped-endpoint", Endpoint::create()) else {
                return;
            };
            static WAITING: AtomicU64 = AtomicU64::new(0);
            WAITING.store(0, Ordering::SeqCst);
            let waiter = thread::spawn(Place::Cpu(cpu), move || {
                WAITING.store(1, Ordering::SeqCst);
                wait(endpoint) as u64
            });
            while WAITING.load(Ordering::SeqCst) == 0 {
                thread::yield_now();
            }
            // The call itself is still a few instructions away. One that comes too late finds a stale handle.
            (0..20_000).for_each(|_| thread::yield_now());
            checks.equal(name, ipc::drop_capability(endpoint.0), Ok(()));
            let told = waiter.and_then(Thread::join);
            checks.equal(name, told, Ok(expected as u64));
        }
    }
}
