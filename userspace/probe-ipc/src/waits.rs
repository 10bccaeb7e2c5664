//! Processes that end while a thread of theirs waits, wherever: everything comes back, and nobody has to look there first.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use userlib::abi::syscall::End;
use userlib::abi::{Call, Handle, Rights};
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint};
use userlib::notification::Notification;
use userlib::process::{self, CODE_ADDRESS, Child};
use userlib::thread::{self, Place};
use userlib::{Refusal, machine};

use crate::children;
use crate::helpers::{let_others_run, message};

/// How often it is looked whether all is back; nobody else has a turn meanwhile.
const LOOKS: usize = 200_000;
/// Turns until a thread of another CPU waits.
const TURNS: usize = 20_000;

/// Checks everything in this file.
pub fn check(checks: &mut Checks) -> Result<(), Refusal> {
    // The first round may leave page tables and room in tables behind.
    round(&mut Checks::new())?;
    round(checks)
}

fn round(checks: &mut Checks) -> Result<(), Refusal> {
    let (endpoint, notification) = (Endpoint::create()?, Notification::create()?);
    for cpu in machine::online() {
        for (name, call, at) in [
            ("ended-caller-is-back", Call::Call, endpoint.0),
            ("ended-receiver-is-back", Call::Receive, endpoint.0),
            (
                "ended-waiter-for-bits-is-back",
                Call::NotificationWait,
                notification.0,
            ),
            ("ended-waiter-for-an-end-is-back", Call::Wait, process::own()),
        ] {
            comes_back(checks, name, cpu, || waiting(call, at, Place::Cpu(cpu)))?;
        }
        // It came there by the short way.
        comes_back(checks, "ended-server-is-back", cpu, || {
            let child = children::answering(endpoint, Place::Cpu(cpu))?;
            let caller = thread::spawn(Place::Cpu(cpu), move || {
                (0..10)
                    .map(|_| u64::from(endpoint.call(&message(1, 1)).is_err()))
                    .sum()
            })?;
            checks_out(caller.join()?).map(|()| child)
        })?;
    }
    is_ready(checks)?;
    is_answered(checks)?;
    told_of_a_thread(checks)?;
    told_of_what_never_ran(checks)?;
    ipc::drop_capability(notification.0)?;
    ipc::drop_capability(endpoint.0)
}

fn checks_out(wrong: u64) -> Result<(), Refusal> {
    match wrong {
        0 => Ok(()),
        _ => Err(Refusal::new(userlib::abi::Status::ReplyLost)),
    }
}

fn used() -> Result<u64, Refusal> {
    Ok(process::stats(process::own())?.frames_used)
}

/// `mov eax, call; syscall; ud2`
fn code(call: Call) -> [u8; 9] {
    [0xb8, call as u8, 0, 0, 0, 0x0f, 0x05, 0x0f, 0x0b]
}

/// A process whose thread makes this call.
fn waiting(call: Call, at: Handle, place: Place) -> Result<Child, Refusal> {
    let child = Child::create(children::FRAMES, "probe-child")?;
    child.map_code(&code(call))?;
    let there = child.grant(at, Rights::ALL, 0)?;
    child.start_at(place, [CODE_ADDRESS, 0, there.0])?;
    Ok(child)
}

fn comes_back(
    checks: &mut Checks,
    name: &str,
    cpu: usize,
    start: impl FnOnce() -> Result<Child, Refusal>,
) -> Result<(), Refusal> {
    let before = used()?;
    let child = start()?;
    match cpu {
        0 => let_others_run(),
        _ => (0..TURNS).for_each(|_| thread::yield_now()),
    }
    end(&child)?;
    let is_back = (0..LOOKS).any(|_| used() == Ok(before));
    checks.that(name, is_back, format_args!("{:?} frames, not {before}", used()));
    Ok(())
}

/// A thread that is ready has not run by the time that its process ends, and does not have to.
fn is_ready(checks: &mut Checks) -> Result<(), Refusal> {
    let is_back = || -> Result<bool, Refusal> {
        let before = used()?;
        let child = waiting(Call::Nothing, process::own(), Place::Cpu(0))?;
        end(&child)?;
        Ok(used()? == before)
    };
    checks.equal("ended-before-it-ran-is-back", is_back(), Ok(true));
    Ok(())
}

/// A caller whose process has ended goes as soon as it is answered, also when it is less urgent than all others.
fn is_answered(checks: &mut Checks) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let before = used()?;
    let child = Child::create(children::FRAMES, "probe-child")?;
    process::set_priority(child.process(), 0, 0)?;
    child.map_code(&code(Call::Call))?;
    let there = child.grant(endpoint.0, Rights::ALL, 0)?;
    child.start_at(Place::Cpu(0), [CODE_ADDRESS, 0, there.0])?;
    endpoint.receive()?;
    end(&child)?;
    // It has no registers for the answer any more, or the kernel has taken it back by now.
    let _ = ipc::reply(&message(1, 1));
    let is_back = (0..LOOKS).any(|_| used() == Ok(before));
    checks.that(
        "ended-before-its-answer-is-back",
        is_back,
        format_args!("{:?}", used()),
    );
    ipc::drop_capability(endpoint.0)
}

/// Whoever waits for a thread is told when that goes with its process, also when nobody has a handle of it any more.
fn told_of_a_thread(checks: &mut Checks) -> Result<(), Refusal> {
    static TOLD: AtomicU64 = AtomicU64::new(0);
    TOLD.store(0, SeqCst);
    let endpoint = Endpoint::create()?;
    let child = Child::create(children::FRAMES, "probe-child")?;
    child.map_code(&code(Call::Call))?;
    let there = child.grant(endpoint.0, Rights::ALL, 0)?;
    let theirs = child.start_kept(Place::Cpu(0), [CODE_ADDRESS, 0, there.0])?;
    let waiter = thread::spawn(Place::Cpu(0), move || {
        let is_right = process::wait(theirs) == Ok(End::Killed);
        TOLD.store(1 + u64::from(is_right), SeqCst);
        0
    })?;
    let_others_run();
    ipc::drop_capability(theirs)?;
    end(&child)?;
    let_others_run();
    checks.equal("end-of-a-thread-is-told", TOLD.load(SeqCst), 2);
    ipc::drop_capability(endpoint.0)?;
    waiter.join().map(drop)
}

/// The last handle of a process goes that never had a thread: whoever waits for its end is told so.
fn told_of_what_never_ran(checks: &mut Checks) -> Result<(), Refusal> {
    static TOLD: AtomicU64 = AtomicU64::new(0);
    TOLD.store(0, SeqCst);
    let child = Child::create(children::FRAMES, "probe-child")?;
    let process = child.process();
    let waiter = thread::spawn(Place::Cpu(0), move || {
        let is_right = process::wait(process) == Ok(End::Killed);
        TOLD.store(1 + u64::from(is_right), SeqCst);
        0
    })?;
    let_others_run();
    child.forget()?;
    let_others_run();
    checks.equal("drop-of-a-process-is-told", TOLD.load(SeqCst), 2);
    waiter.join().map(drop)
}

fn end(child: &Child) -> Result<(), Refusal> {
    child.end()?;
    ipc::drop_capability(child.window())?;
    ipc::drop_capability(child.process())
}
