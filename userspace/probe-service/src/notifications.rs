//! Bits that are set without waiting, waited for, and told among messages; and ends that are told by them.

use core::sync::atomic::{AtomicU64, Ordering};

use userlib::abi::syscall::NOTIFICATION_BADGE;
use userlib::abi::{Message, Rights, Status};
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint};
use userlib::notification::{Notification, bits};
use userlib::process::{self, Child};
use userlib::thread::{self, Place, Thread};
use userlib::{Refusal, machine};

const BOUND: Refusal = Refusal::new(Status::Bound);

/// Checks everything in this file.
pub fn check(checks: &mut Checks) {
    let Some(notification) = checks.success("notification", Notification::create()) else {
        return;
    };
    collecting(checks, notification);
    waiting(checks, notification);
    rights(checks, notification);
    deaths(checks, notification);
    bound(checks, notification);
    checks.equal("notification-drop", ipc::drop_capability(notification.0), Ok(()));
    dropped_under_waiter(checks);
}

fn collecting(checks: &mut Checks, notification: Notification) {
    checks.equal("collect-nothing", notification.collect(), Ok(0));
    checks.equal("signal", notification.signal(5), Ok(()));
    checks.equal("signal-again", notification.signal(8), Ok(()));
    checks.equal("collect", notification.collect(), Ok(13));
    checks.equal("collect-once", notification.collect(), Ok(0));
    let nothing = notification.signal(0);
    checks.equal("signal-nothing", nothing, Err(Refusal::new(Status::BadArgument)));
}

/// A waiter on each CPU is woken by a signal from here, and has just the bits of it.
fn waiting(checks: &mut Checks, notification: Notification) {
    checks.equal("signal-early", notification.signal(3), Ok(()));
    checks.equal("wait-early", notification.wait(), Ok(3));
    for cpu in machine::online() {
        static WAITING: AtomicU64 = AtomicU64::new(0);
        WAITING.store(0, Ordering::SeqCst);
        let waiter = thread::spawn(Place::Cpu(cpu), move || {
            WAITING.store(1, Ordering::SeqCst);
            notification.wait().unwrap_or(0)
        });
        while WAITING.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        checks.equal("wait-signal", notification.signal(1 << 40), Ok(()));
        checks.equal("wait-woken", waiter.and_then(Thread::join), Ok(1 << 40));
    }
}

fn rights(checks: &mut Checks, notification: Notification) {
    let copy = |rights| process::grant(process::own(), notification.0, rights, 0).map(Notification);
    let missing = Refusal::new(Status::MissingRight);
    if let Some(deaf) = checks.success("notification-send", copy(Rights::SEND)) {
        checks.equal("wait-without-right", deaf.wait(), Err(missing));
        checks.equal("collect-without-right", deaf.collect(), Err(missing));
        checks.equal("send-right-drop", ipc::drop_capability(deaf.0), Ok(()));
    }
    if let Some(mute) = checks.success("notification-receive", copy(Rights::RECEIVE)) {
        checks.equal("signal-without-right", mute.signal(1), Err(missing));
        let notice = mute.on_death(process::own(), 1);
        checks.equal("notice-without-right", notice, Err(missing));
        checks.equal("receive-right-drop", ipc::drop_capability(mute.0), Ok(()));
    }
    if let Some(endpoint) = checks.success("badge-endpoint", Endpoint::create()) {
        let forged = process::grant(process::own(), endpoint.0, Rights::ALL, NOTIFICATION_BADGE);
        checks.equal("badge-of-bits", forged, Err(Refusal::new(Status::BadArgument)));
        checks.equal("badge-endpoint-drop", ipc::drop_capability(endpoint.0), Ok(()));
    }
}

/// The end of a process is told to those who asked, by process or by window, before it and after it.
fn deaths(checks: &mut Checks, notification: Notification) {
    let frames = 64 + 4 * machine::possible_cpus() as u64;
    let Some(child) = checks.success("mortal", Child::create(frames, "mortal")) else {
        return;
    };
    checks.equal("notice", notification.on_death(child.process(), 1), Ok(()));
    checks.equal("notice-window", notification.on_death(child.window(), 2), Ok(()));
    let wrong = notification.on_death(notification.0, 1);
    checks.equal("notice-of-what", wrong, Err(Refusal::new(Status::WrongKind)));
    let nothing = notification.on_death(child.process(), 0);
    checks.equal("notice-nothing", nothing, Err(Refusal::new(Status::BadArgument)));
    checks.equal("notice-not-yet", notification.collect(), Ok(0));
    checks.equal("mortal-ends", child.end(), Ok(()));
    checks.equal("notice-comes", notification.wait(), Ok(3));
    checks.equal("notice-late", notification.on_death(child.window(), 4), Ok(()));
    checks.equal("notice-late-comes", notification.wait(), Ok(4));
    let dropped = ipc::drop_capability(child.window()).and(ipc::drop_capability(child.process()));
    checks.equal("mortal-drop", dropped, Ok(()));
}

/// Bits arrive among messages, those that were set before first of all.
fn bound(checks: &mut Checks, notification: Notification) {
    let Some(endpoint) = checks.success("bound-endpoint", Endpoint::create()) else {
        return;
    };
    checks.equal("signal-before-bind", notification.signal(6), Ok(()));
    checks.equal("bind", notification.bind(endpoint), Ok(()));
    checks.equal("bind-twice", notification.bind(endpoint), Err(BOUND));
    checks.equal("bound-wait", notification.wait(), Err(BOUND));
    checks.equal("bound-collect", notification.collect(), Err(BOUND));
    let caller = thread::spawn(Place::Anywhere, move || {
        endpoint
            .call(&Message::new(77, [0; 6]))
            .map_or(0, |answer| answer.label)
    });
    // Whether the call has come or not: bits are first.
    let first = endpoint.receive();
    checks.equal(
        "bound-bits-first",
        first.ok().and_then(|first| bits(&first)),
        Some(6),
    );
    let second = endpoint.receive();
    let label = second
        .as_ref()
        .ok()
        .map(|second| (bits(second), second.message.label));
    checks.equal("bound-message", label, Some((None, 77)));
    checks.equal("bound-signal", notification.signal(9), Ok(()));
    let third = endpoint.reply_receive(&Message::new(78, [0; 6]));
    checks.equal("bound-bits", third.ok().and_then(|third| bits(&third)), Some(9));
    checks.equal("bound-answer", caller.and_then(Thread::join), Ok(78));
    woken_at_endpoint(checks, notification, endpoint);
    checks.equal("bound-endpoint-drop", ipc::drop_capability(endpoint.0), Ok(()));
}

/// A receiver that waits already gets the bits of a signal.
fn woken_at_endpoint(checks: &mut Checks, notification: Notification, endpoint: Endpoint) {
    for cpu in machine::online() {
        let receiver = thread::spawn(Place::Cpu(cpu), move || {
            endpoint
                .receive()
                .ok()
                .and_then(|received| bits(&received))
                .unwrap_or(0)
        });
        thread::yield_now();
        checks.equal("bound-wake", notification.signal(1 << cpu.min(63)), Ok(()));
        checks.equal(
            "bound-woken",
            receiver.and_then(Thread::join),
            Ok(1 << cpu.min(63)),
        );
    }
}

/// Who waits for bits that nobody can set any more is told.
fn dropped_under_waiter(checks: &mut Checks) {
    let Some(notification) = checks.success("dropped-notification", Notification::create()) else {
        return;
    };
    static WAITING: AtomicU64 = AtomicU64::new(0);
    let waiter = thread::spawn(Place::Anywhere, move || {
        WAITING.store(1, Ordering::SeqCst);
        notification
            .wait()
            .map_or_else(|refusal| refusal.status as u64, |_| 0)
    });
    while WAITING.load(Ordering::SeqCst) == 0 {
        thread::yield_now();
    }
    thread::yield_now();
    checks.equal(
        "dropped-under-waiter",
        ipc::drop_capability(notification.0),
        Ok(()),
    );
    let told = waiter.and_then(Thread::join);
    checks.equal("dropped-waiter-told", told, Ok(Status::StaleHandle as u64));
}
