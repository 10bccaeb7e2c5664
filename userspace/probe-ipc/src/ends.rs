//! Processes that are ended while they wait at an endpoint or for an answer: the others go on.

use core::sync::atomic::{AtomicU64, Ordering};

use userlib::abi::Status;
use userlib::abi::syscall::{End, Moment};
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint};
use userlib::process::{self, Child};
use userlib::thread::{self, Place};
use userlib::{Refusal, machine};

use crate::children;
use crate::helpers::{self, answer, let_others_run, message};

/// Checks everything in this file.
pub fn check(checks: &mut Checks) -> Result<(), Refusal> {
    let used = || process::stats(process::own()).map(|stats| stats.frames_used);
    let round = |checks: &mut Checks| -> Result<(), Refusal> {
        machine::online().try_for_each(|cpu| {
            ended_receiver(checks, cpu)?;
            ended_caller(checks, cpu)?;
            ended_server(checks, cpu)?;
            ended_while_it_calls(checks, cpu, false)?;
            ended_while_it_calls(checks, cpu, true)?;
            unmapped_under_receiver(checks, cpu, false)?;
            unmapped_under_receiver(checks, cpu, true)
        })
    };
    // The first round may leave page tables behind.
    round(checks)?;
    let before = used();
    round(checks)?;
    checks.equal("ended-processes-leave-nothing", used(), before);
    ended_at_its_call(checks)
}

fn end(child: &Child) -> Result<(), Refusal> {
    child.end()?;
    process::wait(child.process())?;
    child.forget()
}

/// Two receivers wait; the one that came last is ended, and the other gets the call.
fn ended_receiver(checks: &mut Checks, cpu: usize) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let server = helpers::start(endpoint, Place::Cpu(0), |_| ())?;
    let child = children::answering(endpoint, Place::Cpu(cpu))?;
    let_others_run();
    if cpu == 0 {
        let first = endpoint.call(&message(1, 1));
        checks.equal("last-receiver-is-first", first, Ok(message(1, 1)));
    }
    end(&child)?;
    checks.equal("ended-receiver", endpoint.call(&message(1, 2)), Ok(answer(1, 2)));
    helpers::stop(endpoint, server)?;
    ipc::drop_capability(endpoint.0)
}

/// A caller is ended while its message is being served; the server goes on to the next.
fn ended_caller(checks: &mut Checks, cpu: usize) -> Result<(), Refusal> {
    static SERVED: AtomicU64 = AtomicU64::new(0);
    static GO: AtomicU64 = AtomicU64::new(0);
    SERVED.store(0, Ordering::SeqCst);
    GO.store(0, Ordering::SeqCst);
    let endpoint = Endpoint::create()?;
    let server = helpers::start(endpoint, Place::Cpu(0), |_| {
        SERVED.fetch_add(1, Ordering::SeqCst);
        while GO.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
    })?;
    let child = children::calling(endpoint, Place::Cpu(cpu))?;
    while SERVED.load(Ordering::SeqCst) == 0 {
        thread::yield_now();
    }
    end(&child)?;
    GO.store(1, Ordering::SeqCst);
    checks.equal("ended-caller", endpoint.call(&message(1, 3)), Ok(answer(1, 3)));
    helpers::stop(endpoint, server)?;
    checks.equal("ended-caller-called-once", SERVED.load(Ordering::SeqCst), 3);
    ipc::drop_capability(endpoint.0)
}

/// A server is ended while it has a caller, who is told.
fn ended_server(checks: &mut Checks, cpu: usize) -> Result<(), Refusal> {
    let (endpoint, inner) = (Endpoint::create()?, Endpoint::create()?);
    // The child calls `inner` where nobody answers, so whoever waits for the child waits long.
    let child = children::calling(inner, Place::Cpu(cpu))?;
    let server = thread::spawn(Place::Cpu(0), move || {
        u64::from(endpoint.receive().is_err() || inner.receive().is_err())
    })?;
    let_others_run();
    let lost = endpoint.call(&message(1, 4));
    checks.equal("ended-server", lost, Err(Refusal::new(Status::ReplyLost)));
    checks.equal("ended-server-ended", server.join(), Ok(0));
    // Its second caller was lost with it, which ends the child.
    let ended = process::wait(child.process());
    checks.equal("ended-server-second-caller", ended, Ok(End::Exited(u64::MAX)));
    child.forget()?;
    ipc::drop_capability(inner.0)?;
    ipc::drop_capability(endpoint.0)
}

/// A server is ended while it waits for an answer itself, from a server that has its message or from nobody yet: its
/// caller learns that at once, and not when that wait ends.
fn ended_while_it_calls(checks: &mut Checks, cpu: usize, is_received: bool) -> Result<(), Refusal> {
    static ENDED: AtomicU64 = AtomicU64::new(0);
    static TOLD: AtomicU64 = AtomicU64::new(0);
    [&ENDED, &TOLD]
        .into_iter()
        .for_each(|word| word.store(0, Ordering::SeqCst));
    let (outer, inner) = (Endpoint::create()?, Endpoint::create()?);
    let child = children::nesting([outer, inner], Place::Cpu(cpu))?;
    let caller = thread::spawn(Place::Cpu(cpu), move || {
        let lost = outer.call(&message(1, 1)) == Err(Refusal::new(Status::ReplyLost));
        let is_right = lost && ENDED.load(Ordering::SeqCst) == 1;
        TOLD.store(1 + u64::from(is_right), Ordering::SeqCst);
        0
    })?;
    match is_received {
        true => drop(inner.receive()?),
        // On another CPU it takes a moment until it has called.
        false => (0..20_000).for_each(|_| thread::yield_now()),
    }
    ENDED.store(1, Ordering::SeqCst);
    end(&child)?;
    for _ in 0..200_000 {
        if TOLD.load(Ordering::SeqCst) != 0 {
            break;
        }
        thread::yield_now();
    }
    checks.equal("ended-while-it-calls", TOLD.load(Ordering::SeqCst), 2);
    if is_received {
        ipc::reply(&message(1, 1))?;
    }
    ipc::drop_capability(inner.0)?;
    ipc::drop_capability(outer.0)?;
    caller.join().map(drop)
}

/// A caller that is to end at one of its calls ends there, though everything else about that call is for the short way.
fn ended_at_its_call(checks: &mut Checks) -> Result<(), Refusal> {
    static SERVED: AtomicU64 = AtomicU64::new(0);
    let endpoint = Endpoint::create()?;
    let child = children::calling(endpoint, Place::Cpu(0))?;
    let process = child.process();
    let server = helpers::start(endpoint, Place::Cpu(0), move |_| {
        if SERVED.fetch_add(1, Ordering::SeqCst) == 0 {
            let arranged = process::end_at(process, 3, Moment::Before);
            assert!(arranged.is_ok(), "the child may be ended");
        }
    })?;
    checks.equal("ended-at-its-call", process::wait(process), Ok(End::Killed));
    checks.equal("ended-at-its-call-served", helpers::stop(endpoint, server)?, 3);
    child.forget()?;
    ipc::drop_capability(endpoint.0)
}

/// A page is taken away from a receiver that a call has set to reading it: no CPU goes on with an old
/// translation, also when the receiver came to run without the kernel's long way.
fn unmapped_under_receiver(checks: &mut Checks, cpu: usize, is_warm: bool) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let child = children::reading(endpoint, Place::Cpu(cpu))?;
    // Another CPU idles before it runs the caller, and keeps no address space then.
    let patience = if cpu == 0 { 300 } else { 20_000 };
    (0..patience).for_each(|_| thread::yield_now());
    let caller = thread::spawn(Place::Cpu(cpu), move || {
        let is_right = !is_warm || (0..10).all(|_| endpoint.call(&message(1, 1)) == Ok(message(1, 1)));
        let lost = endpoint.call(&message(children::READ, 1));
        u64::from(!is_right || lost != Err(Refusal::new(Status::ReplyLost)))
    })?;
    // On this CPU each time is a whole slice of the reader; on another the reader takes a moment to begin.
    let patience = if cpu == 0 { 3 } else { 10_000 };
    (0..patience).for_each(|_| thread::yield_now());
    child.unmap(children::PAGE, 1)?;
    let end = process::wait(child.process());
    let is_fault = matches!(
        end,
        Ok(End::Faulted {
            address: children::PAGE,
            ..
        })
    );
    checks.that("unmapped-under-receiver", is_fault, format_args!("{end:?}"));
    checks.equal("unmapped-under-receiver-caller", caller.join(), Ok(0));
    child.forget()?;
    ipc::drop_capability(endpoint.0)
}
