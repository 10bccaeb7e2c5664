//! Priorities that hold also while a thread serves somebody less urgent.

use core::sync::atomic::{AtomicU64, Ordering};

use userlib::abi::{Handle, Received};
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint};
use userlib::notification::Notification;
use userlib::thread::{self, Place, Thread};
use userlib::{Refusal, machine};

use super::bystander::Bystander;
use super::servers::serve;
use super::{LOW, SEEN, TOP, TURNS_IN_A_ROW, busy, spawn};
use crate::helpers::{self, answer, message};

/// What the server does before it answers: nothing, or
const LET_GO: u64 = 1;
const CHANGE_FLOOR: u64 = 2;
const BE_BUSY: u64 = 3;
const PAUSE: u64 = 4;
const YIELD: u64 = 5;
/// Calls of one kind.
const CALLS: u64 = 50;
/// Turns of a thread that ought to be interrupted, all in all.
const FEW: u64 = 1000 * CALLS;

#[derive(Clone, Copy)]
struct Server {
    endpoint: Endpoint,
    pause: Notification,
    bystander: Bystander,
}

/// Checks everything in this file.
pub fn check(checks: &mut Checks, bystander: Bystander) -> Result<(), Refusal> {
    let (endpoint, pause) = (Endpoint::create()?, Notification::create()?);
    let server = Server {
        endpoint,
        pause,
        bystander,
    };
    let thread = serve(endpoint, LOW, move |received| server.act(received))?;
    endpoint.call(&message(CHANGE_FLOOR, TOP))?;
    holds(checks, server)?;
    lets_interrupts_come(checks, server)?;
    from_elsewhere(checks, server)?;
    taken_away(checks, server, &thread)?;
    below_its_caller(checks, server)?;
    helpers::stop(endpoint, thread)?;
    ipc::drop_capability(pause.0)?;
    ipc::drop_capability(endpoint.0)
}

impl Server {
    fn act(self, received: &Received) {
        let pauses = received.message.label == PAUSE;
        assert!(!pauses || self.pause.wait().is_ok(), "the server goes on");
        match received.message.label {
            LET_GO | PAUSE => {
                let let_go = self.bystander.let_go(TURNS_IN_A_ROW);
                assert!(let_go.is_ok(), "the bystander is let go");
                SEEN.store(Bystander::turns(), Ordering::SeqCst);
            }
            CHANGE_FLOOR => {
                let changed = thread::set_priority_floor(received.message.words[0]);
                assert!(changed.is_ok(), "the server may have a floor");
            }
            BE_BUSY => busy(),
            YIELD => thread::yield_now(),
            _ => {}
        }
    }

    /// A caller of low priority, and the bystander's turns when it goes on.
    fn call_from_low(self, label: u64) -> Result<Thread, Refusal> {
        spawn(LOW, move || {
            let answered = self.endpoint.call(&message(label, 1));
            let turns = Bystander::turns();
            match answered == Ok(answer(label, 1)) {
                true => turns,
                false => u64::MAX,
            }
        })
    }
}

/// The server runs at its floor for a caller of low priority, who has his own when he is answered.
fn holds(checks: &mut Checks, server: Server) -> Result<(), Refusal> {
    let caller = server.call_from_low(LET_GO)?;
    checks.equal("floor-caller", caller.join(), Ok(TURNS_IN_A_ROW));
    checks.equal("floor-server", SEEN.load(Ordering::SeqCst), 0);
    server.bystander.wait()
}

/// Other CPUs know that the caller goes on at his low priority: whom they make ready here comes at once.
fn lets_interrupts_come(checks: &mut Checks, server: Server) -> Result<(), Refusal> {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    static WOKEN: AtomicU64 = AtomicU64::new(0);
    let Some(elsewhere) = machine::online().find(|cpu| *cpu != 0) else {
        return Ok(());
    };
    let wait_for = |word: &AtomicU64, round| {
        while word.load(Ordering::SeqCst) < round {
            core::hint::spin_loop();
        }
    };
    let waking = thread::spawn(Place::Cpu(elsewhere), move || {
        (1..=CALLS)
            .map(|round| {
                wait_for(&ASKED, round);
                let let_go = server.bystander.let_go(1);
                WOKEN.store(round, Ordering::SeqCst);
                u64::from(let_go.is_err())
            })
            .sum()
    })?;
    let caller = spawn(LOW, move || {
        (1..=CALLS)
            .map(|round| {
                let is_right = server.endpoint.call(&message(YIELD, round)) == Ok(answer(YIELD, round));
                ASKED.store(round, Ordering::SeqCst);
                wait_for(&WOKEN, round);
                let late = (0..u64::MAX).take_while(|_| Bystander::turns() == 0);
                let late = late.count() as u64;
                match is_right && server.bystander.wait().is_ok() {
                    true => late,
                    false => FEW + 1,
                }
            })
            .sum()
    })?;
    let late = caller.join()?;
    checks.that(
        "floor-answered-is-interrupted",
        late <= FEW,
        format_args!("{late}"),
    );
    checks.equal("floor-waking", waking.join(), Ok(0));
    Ok(())
}

/// Callers of other CPUs get their answers, and stay where they are.
fn from_elsewhere(checks: &mut Checks, server: Server) -> Result<(), Refusal> {
    for cpu in machine::online() {
        let caller = thread::spawn(Place::Cpu(cpu), move || {
            let call = |word| server.endpoint.call(&message(0, word)) == Ok(answer(0, word));
            let right = (0..CALLS).filter(|word| call(*word) && machine::this_cpu_hint() == cpu);
            right.count() as u64
        })?;
        checks.equal("floor-called-from-elsewhere", caller.join(), Ok(CALLS));
    }
    Ok(())
}

/// A server that loses its floor while it serves gives nothing of it to its caller.
fn taken_away(checks: &mut Checks, server: Server, thread: &Thread) -> Result<(), Refusal> {
    let caller = server.call_from_low(PAUSE)?;
    thread.set_priority(LOW)?;
    server.pause.signal(1)?;
    checks.equal("floor-taken-away", caller.join(), Ok(TURNS_IN_A_ROW));
    checks.equal("floor-taken-away-server", SEEN.load(Ordering::SeqCst), 0);
    server.bystander.wait()
}

/// For a caller above its floor the server runs at his priority. A message with a capability goes the long way.
fn below_its_caller(checks: &mut Checks, server: Server) -> Result<(), Refusal> {
    server.endpoint.call(&message(CHANGE_FLOOR, LOW))?;
    for capability in [Handle::NONE, server.pause.0] {
        let call = message(BE_BUSY, 1).with_capability(capability);
        let turns = server.bystander.turns_while(|| {
            let answered = server.endpoint.call(&call).map(|answer| answer.words[0]);
            checks.equal("floor-below-answer", answered, Ok(answer(1, 1).words[0]));
            busy();
            Ok(())
        })?;
        checks.equal("floor-below-its-caller", turns, 0);
    }
    Ok(())
}
