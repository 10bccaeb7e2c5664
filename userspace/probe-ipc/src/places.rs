//! Where caller and receiver are, and where they may be: each goes on where it belongs.

use core::sync::atomic::{AtomicU64, Ordering};

use userlib::abi::Message;
use userlib::abi::syscall::CpuMask;
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint};
use userlib::thread::{self, Place};
use userlib::{Refusal, machine};

use crate::helpers::{self, answer, let_others_run, message};

/// Calls of one kind.
const CALLS: u64 = 50;
/// The label whose receiver does something before it answers.
const SLOW: u64 = 7;

/// Checks everything in this file.
pub fn check(checks: &mut Checks) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    busy(checks, endpoint)?;
    many_receivers(checks, endpoint)?;
    for cpu in machine::online() {
        from_elsewhere(checks, endpoint, cpu)?;
        from_elsewhere_while_busy(checks, endpoint, cpu)?;
        moving_server(checks, endpoint, cpu)?;
        moved_caller(checks, endpoint, cpu)?;
        moved_receiver(checks, endpoint, cpu)?;
    }
    nested(checks, endpoint)?;
    no_caller(checks, endpoint)?;
    ipc::drop_capability(endpoint.0)
}

fn call_often(endpoint: Endpoint, label: u64) -> u64 {
    let wrong = (0..CALLS).filter(|word| endpoint.call(&message(label, *word)) != Ok(answer(label, *word)));
    wrong.count() as u64
}

/// Callers of a receiver that is busy wait, and each gets its own answer.
fn busy(checks: &mut Checks, endpoint: Endpoint) -> Result<(), Refusal> {
    let server = helpers::start(endpoint, Place::Cpu(0), |_| thread::yield_now())?;
    let mut wrong = 0;
    let callers = [(); 3].map(|()| thread::spawn(Place::Cpu(0), move || call_often(endpoint, SLOW)));
    for caller in callers {
        wrong += caller?.join()?;
    }
    checks.equal("call-busy", wrong, 0);
    checks.equal("call-busy-served", helpers::stop(endpoint, server)?, 3 * CALLS);
    Ok(())
}

/// Receivers of one CPU wait in a chain; callers that overlap get one each.
fn many_receivers(checks: &mut Checks, endpoint: Endpoint) -> Result<(), Refusal> {
    let start = || helpers::start(endpoint, Place::Cpu(0), |_| thread::yield_now());
    let servers = [start()?, start()?, start()?];
    let mut wrong = 0;
    let callers = [(); 3].map(|()| thread::spawn(Place::Cpu(0), move || call_often(endpoint, SLOW)));
    for caller in callers {
        wrong += caller?.join()?;
    }
    checks.equal("call-many-receivers", wrong, 0);
    servers
        .iter()
        .try_for_each(|_| endpoint.call(&message(helpers::END, 0)).map(drop))?;
    let mut served = 0;
    for server in servers {
        served += server.join()? - 1;
    }
    checks.equal("call-many-receivers-served", served, 3 * CALLS);
    Ok(())
}

/// The caller is bound to another CPU than the receiver, and stays there.
fn from_elsewhere(checks: &mut Checks, endpoint: Endpoint, cpu: usize) -> Result<(), Refusal> {
    let server = helpers::start(endpoint, Place::Cpu(0), |_| ())?;
    let caller = thread::spawn(Place::Cpu(cpu), move || {
        let mut strays = 0;
        for word in 0..CALLS {
            let got = endpoint.call(&message(1, word));
            strays += u64::from(machine::this_cpu_hint() != cpu);
            strays += u64::from(got != Ok(answer(1, word)));
        }
        strays
    })?;
    // On one CPU it is alone with the server; from another it competes with this thread.
    let here = call_often(endpoint, 1);
    checks.equal("call-from-elsewhere", (caller.join()?, here), (0, 0));
    checks.equal(
        "call-from-elsewhere-served",
        helpers::stop(endpoint, server)?,
        2 * CALLS,
    );
    Ok(())
}

/// The same, while two servers are busy with others: one finds the next caller waiting when it answers, and the other
/// waits for calls again before that one is answered.
fn from_elsewhere_while_busy(checks: &mut Checks, endpoint: Endpoint, cpu: usize) -> Result<(), Refusal> {
    let start = || {
        helpers::start(endpoint, Place::Cpu(0), |received| {
            let turns = received.message.words[0] % 7 * 40;
            (0..turns).for_each(|_| thread::yield_now());
        })
    };
    let servers = [start()?, start()?];
    let callers = [cpu, cpu, 0].map(|cpu| {
        thread::spawn(Place::Cpu(cpu), move || {
            let mut wrong = 0;
            for word in 0..CALLS {
                let is_right = endpoint.call(&message(1, word)) == Ok(answer(1, word));
                let has_strayed = machine::this_cpu_hint() != cpu;
                wrong += u64::from(!is_right) + 1000 * u64::from(has_strayed);
            }
            wrong
        })
    });
    for caller in callers {
        checks.equal("call-from-elsewhere-while-busy", caller?.join(), Ok(0));
    }
    servers
        .iter()
        .try_for_each(|_| endpoint.call(&message(helpers::END, 0)).map(drop))?;
    servers.into_iter().try_for_each(|server| server.join().map(drop))
}

/// The server goes to another CPU between a message and its answer, and back.
fn moving_server(checks: &mut Checks, endpoint: Endpoint, cpu: usize) -> Result<(), Refusal> {
    let server = helpers::start(endpoint, Place::Anywhere, move |received| {
        if received.message.label == SLOW {
            let home = machine::this_cpu_hint();
            let there = if home == cpu { 0 } else { cpu };
            // A server that cannot move answers all the same.
            let _ = thread::bind_self(&CpuMask::only(there));
        }
    })?;
    let mut strays = 0;
    for word in 0..CALLS {
        let right = endpoint.call(&message(SLOW, word)) == Ok(answer(SLOW, word));
        strays += u64::from(!right) + u64::from(machine::this_cpu_hint() != 0);
    }
    checks.equal("call-moving-server", strays, 0);
    helpers::stop(endpoint, server).map(drop)
}

/// A caller is bound to another CPU while it waits for its answer, and goes on there.
fn moved_caller(checks: &mut Checks, endpoint: Endpoint, cpu: usize) -> Result<(), Refusal> {
    static GO: AtomicU64 = AtomicU64::new(0);
    GO.store(0, Ordering::SeqCst);
    let server = helpers::start(endpoint, Place::Cpu(0), |received| {
        while received.message.label == SLOW && GO.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
    })?;
    let caller = thread::spawn(Place::Cpu(0), move || {
        let right = endpoint.call(&message(SLOW, 1)) == Ok(answer(SLOW, 1));
        if right {
            machine::this_cpu_hint() as u64
        } else {
            u64::MAX
        }
    })?;
    let_others_run();
    caller.bind(&CpuMask::only(cpu))?;
    GO.store(1, Ordering::SeqCst);
    checks.equal("moved-caller", caller.join(), Ok(cpu as u64));
    helpers::stop(endpoint, server).map(drop)
}

/// A receiver is bound to another CPU while it waits for a call, and goes on there.
fn moved_receiver(checks: &mut Checks, endpoint: Endpoint, cpu: usize) -> Result<(), Refusal> {
    let server = thread::spawn(Place::Cpu(0), move || {
        let mut received = endpoint.receive();
        loop {
            let Ok(message) = received else { return 1 };
            let answer = Message::new(machine::this_cpu_hint() as u64, message.message.words);
            if message.message.label == helpers::END {
                return ipc::reply(&answer).map_or(1, |()| 0);
            }
            received = endpoint.reply_receive(&answer);
        }
    })?;
    let_others_run();
    let label = |label| endpoint.call(&message(label, 0)).map(|answer| answer.label);
    checks.equal("receiver-at-home", label(1), Ok(0));
    server.bind(&CpuMask::only(cpu))?;
    checks.equal("moved-receiver", label(1), Ok(cpu as u64));
    checks.equal("moved-receiver-stays", label(helpers::END), Ok(cpu as u64));
    server.join().map(drop)
}

/// A server that calls another one before it answers keeps its own caller.
fn nested(checks: &mut Checks, endpoint: Endpoint) -> Result<(), Refusal> {
    let inner = Endpoint::create()?;
    let last = helpers::start(inner, Place::Cpu(0), |_| ())?;
    let server = helpers::start(endpoint, Place::Cpu(0), move |received| {
        let word = received.message.words[0];
        assert!(
            inner.call(&message(1, word)) == Ok(answer(1, word)),
            "the inner call is answered"
        );
    })?;
    checks.equal("nested-calls", call_often(endpoint, 1), 0);
    helpers::stop(endpoint, server)?;
    checks.equal("nested-calls-served", helpers::stop(inner, last)?, CALLS + 1);
    ipc::drop_capability(inner.0)
}

/// Without a caller to answer, answering and receiving is receiving.
fn no_caller(checks: &mut Checks, endpoint: Endpoint) -> Result<(), Refusal> {
    let server = thread::spawn(Place::Cpu(0), move || {
        let received = endpoint.reply_receive(&Message::default());
        u64::from(received.is_err() || ipc::reply(&message(8, 8)).is_err())
    })?;
    let_others_run();
    checks.equal(
        "answer-to-nobody",
        endpoint.call(&message(1, 1)),
        Ok(message(8, 8)),
    );
    checks.equal("answer-to-nobody-server", server.join(), Ok(0));
    Ok(())
}
