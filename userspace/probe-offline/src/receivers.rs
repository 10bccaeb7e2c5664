//! Servers and callers while the CPU of one of them is off.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use userlib::abi::syscall::CpuMask;
use userlib::abi::{Handle, Message, Status};
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint};
use userlib::thread::{self, Place, Thread};
use userlib::{Refusal, machine};

use crate::helpers::{off, on, soon, stays};

/// The label that ends a server.
const END: u64 = 99;
/// Calls from each CPU.
const CALLS: u64 = 40;

/// Checks everything in this file.
pub fn check(checks: &mut Checks, machine: Handle) {
    for cpu in machine::online().skip(1) {
        somebody_else(checks, machine, cpu).unwrap_or_else(|refusal| failed(checks, refusal));
    }
    nobody_else(checks, machine).unwrap_or_else(|refusal| failed(checks, refusal));
    closed(checks, machine).unwrap_or_else(|refusal| failed(checks, refusal));
    stranded(checks, machine).unwrap_or_else(|refusal| failed(checks, refusal));
    in_hand(checks, machine).unwrap_or_else(|refusal| failed(checks, refusal));
}

fn failed(checks: &mut Checks, refusal: Refusal) {
    checks.that("receivers", false, format_args!("{refusal}"));
}

/// Answers with the CPU that it is on, until it is told to end.
fn serve(endpoint: Endpoint) -> u64 {
    let mut received = endpoint.receive();
    while let Ok(message) = received {
        let answer = Message::new(machine::this_cpu_hint() as u64, message.message.words);
        if message.message.label == END {
            return u64::from(ipc::reply(&answer).is_err());
        }
        received = endpoint.reply_receive(&answer);
    }
    2
}

/// A server on a CPU, which waits when this returns.
fn start(endpoint: Endpoint, cpu: usize) -> Result<Thread, Refusal> {
    static READY: AtomicU64 = AtomicU64::new(0);
    READY.store(0, SeqCst);
    let server = thread::spawn(Place::Cpu(cpu), move || {
        READY.store(1, SeqCst);
        serve(endpoint)
    })?;
    soon(|| READY.load(SeqCst) == 1);
    stays(&READY);
    Ok(server)
}

fn call(endpoint: Endpoint, word: u64) -> Result<Message, Refusal> {
    endpoint.call(&Message::new(1, [word, 0, 0, 0, 0, 0]))
}

fn end(endpoint: Endpoint, server: Thread) -> Result<(), Refusal> {
    endpoint.call(&Message::new(END, [0; 6]))?;
    server.join().map(drop)
}

/// Calls from every CPU that is online; how many answers were wrong, or came from the CPU that is off.
fn call_from_all(endpoint: Endpoint, off: usize) -> Result<u64, Refusal> {
    let mut wrong = 0;
    for cpu in machine::online() {
        let caller = thread::spawn(Place::Cpu(cpu), move || {
            let is_wrong = |word: &u64| {
                let answer = call(endpoint, *word);
                !answer.is_ok_and(|answer| answer.words[0] == *word && answer.label != off as u64)
            };
            (0..CALLS).filter(is_wrong).count() as u64
        })?;
        wrong += caller.join()?;
    }
    Ok(wrong)
}

/// A call is never handed to a server whose CPU is off when there is another.
fn somebody_else(checks: &mut Checks, machine: Handle, cpu: usize) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let servers = [start(endpoint, 0)?, start(endpoint, cpu)?];
    off(machine, cpu)?;
    checks.equal("others-serve", call_from_all(endpoint, cpu)?, 0);
    on(machine, cpu)?;
    // It waits there again: a call on its CPU is its own.
    let served = soon(|| {
        let caller = thread::spawn(Place::Cpu(cpu), move || {
            call(endpoint, 0).map_or(u64::MAX, |answer| answer.label)
        });
        caller.and_then(Thread::join) == Ok(cpu as u64)
    });
    checks.equal("serves-again", served, true);
    servers
        .into_iter()
        .try_for_each(|server| end_any(endpoint, server))?;
    ipc::drop_capability(endpoint.0)
}

/// Ends one of several servers, whichever gets it.
fn end_any(endpoint: Endpoint, server: Thread) -> Result<(), Refusal> {
    endpoint.call(&Message::new(END, [0; 6]))?;
    // The other one is ended by the next.
    drop(server);
    Ok(())
}

/// Without another one, callers wait until it is back.
fn nobody_else(checks: &mut Checks, machine: Handle) -> Result<(), Refusal> {
    static ANSWERED: AtomicU64 = AtomicU64::new(0);
    let endpoint = Endpoint::create()?;
    let server = start(endpoint, 1)?;
    off(machine, 1)?;
    let callers = [Place::Cpu(0), Place::Anywhere].map(|place| {
        thread::spawn(place, move || {
            let answer = call(endpoint, 3);
            ANSWERED.fetch_add(1, SeqCst);
            answer.map_or(u64::MAX, |answer| answer.label)
        })
    });
    checks.equal(
        "callers-wait",
        stays(&ANSWERED) && ANSWERED.load(SeqCst) == 0,
        true,
    );
    on(machine, 1)?;
    for caller in callers {
        checks.equal("callers-are-served", caller?.join()?, 1);
    }
    end(endpoint, server)?;
    ipc::drop_capability(endpoint.0)
}

/// A receiver that is suspended does not keep its endpoint: callers are told, and so is it when it goes on.
fn closed(checks: &mut Checks, machine: Handle) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    // That it waits when its CPU goes is seen to by the server, which comes after it.
    let receiver = thread::spawn(Place::Cpu(1), move || {
        endpoint
            .receive()
            .map_or_else(|refusal| refusal.status as u64, |_| 0)
    })?;
    let caller_of = Endpoint::create()?;
    let waiter = start(caller_of, 1)?;
    off(machine, 1)?;
    static CALLING: AtomicU64 = AtomicU64::new(0);
    let caller = thread::spawn(Place::Cpu(0), move || {
        CALLING.store(1, SeqCst);
        call(caller_of, 0).map_or_else(|refusal| refusal.status as u64, |_| 0)
    })?;
    // The call itself is still a few instructions away.
    soon(|| CALLING.load(SeqCst) == 1);
    stays(&CALLING);
    ipc::drop_capability(endpoint.0)?;
    ipc::drop_capability(caller_of.0)?;
    checks.equal("caller-is-told", caller.join()?, Status::ReplyLost as u64);
    on(machine, 1)?;
    checks.equal("receiver-is-told", receiver.join()?, Status::StaleHandle as u64);
    checks.equal("server-is-told", waiter.join()?, 2);
    Ok(())
}

/// A server that was bound to a CPU that is off while it waited on another one gets no call there.
fn stranded(checks: &mut Checks, machine: Handle) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let other = start(endpoint, 0)?;
    let server = start(endpoint, 0)?;
    server.bind(&CpuMask::only(1))?;
    off(machine, 1)?;
    checks.equal("stranded-gets-nothing", call_from_all(endpoint, 1)?, 0);
    on(machine, 1)?;
    for server in [other, server] {
        end_any(endpoint, server)?;
    }
    ipc::drop_capability(endpoint.0)
}

/// A server that goes with a call in hand answers it when it is back, or is bound elsewhere.
fn in_hand(checks: &mut Checks, machine: Handle) -> Result<(), Refusal> {
    static STEP: AtomicU64 = AtomicU64::new(0);
    let endpoint = Endpoint::create()?;
    let server = thread::spawn(Place::Cpu(1), move || {
        let Ok(message) = endpoint.receive() else {
            return 1;
        };
        STEP.store(1, SeqCst);
        while STEP.load(SeqCst) != 2 {
            core::hint::spin_loop();
        }
        u64::from(ipc::reply(&message.message).is_err())
    })?;
    let caller = thread::spawn(Place::Cpu(0), move || {
        call(endpoint, 77).map_or(0, |answer| answer.words[0])
    })?;
    soon(|| STEP.load(SeqCst) == 1);
    off(machine, 1)?;
    STEP.store(2, SeqCst);
    server.bind(&CpuMask::ALL)?;
    checks.equal("call-in-hand", caller.join()?, 77);
    checks.equal("server-in-hand", server.join()?, 0);
    on(machine, 1)?;
    ipc::drop_capability(endpoint.0)
}
