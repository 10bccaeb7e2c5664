//! Messages: a caller and a receiver meet at an endpoint, words go from registers to registers.
//!
//! The kernel sees words and a few capabilities (`capabilities.rs`), and knows no protocol. When both sides are on one CPU
//! the one continues where the other stops: no run queue is looked at, and the time slice goes on.

pub mod capabilities;
pub mod ended;
pub mod faults;
pub mod pages;
pub mod requests;

use alloc::sync::Arc;

use abi::message::IN_PAGE;
use abi::{Handle, Registers, Rights, Status};

use self::capabilities::Gifts;
use crate::cpu;
use crate::object::endpoint::{Call, Met};
use crate::object::{Endpoint, Object, Parked, Process, Running};
use crate::refusal::{Answer, DONE, Refusal};
use crate::schedule;

/// Where the message's capability stands among the words.
const CAPABILITY: usize = 8;

/// `Call`: sends, and waits for the answer.
pub fn call(mut caller: Running, words: &[u64; 9]) {
    match prepare_call(&mut caller, words) {
        Err(refusal) => schedule::finish(caller, Err(refusal)),
        Ok((endpoint, badge, gifts)) => {
            caller.context().gifts = gifts;
            send(
                endpoint,
                Call {
                    caller: caller.park(),
                    badge,
                },
            );
        }
    }
}

type Prepared = (Arc<Endpoint>, u64, Gifts);

fn prepare_call(caller: &mut Running, words: &[u64; 9]) -> Result<Prepared, Refusal> {
    let table = caller.process().table();
    let (endpoint, badge) = table.look_up(Handle(words[0]), Rights::SEND, Object::as_endpoint)?;
    drop(table);
    Ok((endpoint, badge, take_gifts(caller, words)?))
}

/// The capabilities that a message carries. One with more words carries none, and its sender needs a page.
fn take_gifts(sender: &mut Running, words: &[u64; 9]) -> Result<Gifts, Refusal> {
    if pages::has_more(words) {
        return pages::require_page(sender).map(|()| Gifts::new());
    }
    capabilities::read(sender.process(), words[CAPABILITY])
}

/// Lets go of the endpoint before another thread is looked for: a CPU that idles would keep it, and with it
/// those who wait there, after the last capability is gone.
fn send(endpoint: Arc<Endpoint>, call: Call) {
    match endpoint.meet_receiver(call) {
        None => {
            drop(endpoint);
            schedule::dispatch();
        }
        Some((call, receiver)) => match deliver(call, receiver) {
            Ok(receiver) => {
                drop(endpoint);
                schedule::switch_to(receiver);
            }
            Err((refused, receiver)) => {
                receive_again(&endpoint, receiver);
                drop(endpoint);
                schedule::switch_to(refused);
            }
        },
    }
}

/// A receiver that got nothing after all goes back to waiting.
fn receive_again(endpoint: &Endpoint, receiver: Parked) {
    if receiver.is_dead() {
        return;
    }
    if let Some(receiver) = find_call(endpoint, receiver) {
        schedule::make_ready(receiver);
    }
}

/// A receiver that waited on a CPU that has gone waits here.
pub fn receive_here(endpoint: &Endpoint, receiver: Parked) {
    // It may go on from here without passing the scheduler.
    if receiver.thread().note_cpu(cpu::this_cpu()) {
        receiver.process().count_migration();
    }
    receive_again(endpoint, receiver);
}

/// Hands a call to a receiver; a call that is refused comes back with its refusal, and the receiver without one.
fn deliver(call: Call, mut receiver: Parked) -> Result<Parked, (Parked, Parked)> {
    let Call { mut caller, badge } = call;
    let words = match caller.has_faulted() {
        true => faults::words(&mut caller),
        false => caller.context().frame.registers().0,
    };
    let gifts = caller.context().gifts.take();
    let has_page = match pages::has_more(&words) {
        true => pages::require_page(&mut receiver),
        false => Ok(()),
    };
    match has_page.and_then(|()| carry(badge, &words, &gifts, &caller, &mut receiver)) {
        Ok(mut message) => {
            add_words(&words, &mut caller, &mut message, &mut receiver);
            receiver.answer(Ok(message));
            receiver.take_over(caller.context().priority);
            receiver.set_caller(caller);
            Ok(receiver)
        }
        Err(refusal) => {
            // One that ended in this moment takes no capabilities; that is not the caller's mistake.
            let refusal = match receiver.is_dead() {
                true => Status::ReplyLost.into(),
                false => refusal,
            };
            caller.answer(Err(refusal));
            Err((caller, receiver))
        }
    }
}

/// More words, if the message has some and both have a page.
fn add_words(sent: &[u64; 9], from: &mut Parked, message: &mut Registers, to: &mut Parked) {
    if pages::has_more(sent) && to.context().page != 0 {
        pages::copy(from, to);
        message.0[CAPABILITY] = IN_PAGE.0;
    }
}

/// The words as the other side sees them, with its own handle of the first capability.
fn carry(first: u64, words: &[u64; 9], gifts: &Gifts, from: &Parked, to: &mut Parked) -> Answer {
    let most = to.context().accepts;
    let handles = capabilities::hand_over(from.process(), to.process(), gifts, most)?;
    let mut message = *words;
    message[0] = first;
    message[CAPABILITY] = handles.first().map_or(Handle::NONE.0, |handle| handle.0);
    if !handles.is_empty() {
        to.context().received = handles;
    }
    Ok(Registers(message))
}

/// This CPU was asked for receivers of an endpoint. One that may run on its caller's CPU goes there, so that
/// the next call of that caller meets it at home.
pub fn serve(endpoint: &Arc<Endpoint>) {
    loop {
        // Any number of callers may wait.
        cpu::breathe();
        let (call, receiver) = match endpoint.meet_here() {
            Met::Call(call, receiver) => (call, receiver),
            Met::Bits(receiver) => {
                schedule::make_ready_first(receiver);
                continue;
            }
            Met::Nothing => return,
        };
        let home = call.caller.thread().cpu();
        match deliver(call, receiver) {
            Ok(receiver) => match home {
                Some(home) if receiver.thread().may_run_on(home) => schedule::make_ready_on(home, receiver),
                _ => schedule::make_ready_first(receiver),
            },
            Err((refused, receiver)) => {
                schedule::make_ready(refused);
                receive_again(endpoint, receiver);
            }
        }
    }
}

/// Finds a call or bits for the receiver, which gets them; without any the receiver waits at the endpoint.
fn find_call(endpoint: &Endpoint, mut receiver: Parked) -> Option<Parked> {
    loop {
        let (call, found) = match endpoint.meet_caller(receiver) {
            Met::Call(call, receiver) => (call, receiver),
            Met::Bits(receiver) => return Some(receiver),
            Met::Nothing => return None,
        };
        match deliver(call, found) {
            Ok(receiver) => return Some(receiver),
            Err((refused, again)) => {
                schedule::make_ready(refused);
                receiver = again;
            }
        }
    }
}

/// `Receive`: waits for a caller.
pub fn receive(mut receiver: Running, words: &[u64; 9]) {
    match receiving_endpoint(receiver.process(), words) {
        Err(refusal) => schedule::finish(receiver, Err(refusal)),
        Ok(endpoint) => {
            if let Some(caller) = receiver.take_caller() {
                lose(caller);
            }
            wait(endpoint, receiver.park(), None);
        }
    }
}

/// `ReplyReceive`: answers, and waits for the next caller.
pub fn reply_receive(mut receiver: Running, words: &[u64; 9]) {
    let endpoint = receiving_endpoint(receiver.process(), words);
    match endpoint.and_then(|endpoint| Ok((endpoint, answer(&mut receiver, words)?))) {
        Err(refusal) => schedule::finish(receiver, Err(refusal)),
        Ok((endpoint, answered)) => wait(endpoint, receiver.park(), answered),
    }
}

/// `Reply`: answers, and goes on.
pub fn reply(mut replier: Running, words: &[u64; 9]) {
    let answer = match answer(&mut replier, words) {
        Ok(None) => Err(Status::NoCaller.into()),
        Ok(Some(answered)) => {
            schedule::make_ready(answered);
            DONE
        }
        Err(refusal) => Err(refusal),
    };
    schedule::finish(replier, answer);
}

fn receiving_endpoint(process: &Process, words: &[u64; 9]) -> Result<Arc<Endpoint>, Refusal> {
    let found = process
        .table()
        .look_up(Handle(words[0]), Rights::RECEIVE, Object::as_endpoint)?;
    Ok(found.0)
}

/// Answers the caller that the replier holds. When that is refused, it still holds it.
fn answer(replier: &mut Running, words: &[u64; 9]) -> Result<Option<Parked>, Refusal> {
    let Some(mut caller) = replier.take_caller() else {
        return Ok(None);
    };
    let message = match caller.has_faulted() {
        true => faults::judge(&mut caller, words).map(|()| None),
        false => take_gifts(replier, words)
            .and_then(|gifts| carry(0, words, &gifts, replier, &mut caller))
            .map(Some),
    };
    match message {
        Ok(Some(mut message)) => {
            add_words(words, replier, &mut message, &mut caller);
            caller.answer(Ok(message));
        }
        Ok(None) => {}
        // A caller that has ended needs no answer.
        Err(_) if caller.is_dead() => {}
        Err(refusal) => {
            replier.set_caller(caller);
            replier.settle_again_on(cpu::this_cpu());
            return Err(refusal);
        }
    }
    Ok(Some(caller))
}

/// A receiver waits, or serves the next caller at once; whom it answered goes on.
/// Lets go of the endpoint first, as [`send`] does.
fn wait(endpoint: Arc<Endpoint>, receiver: Parked, answered: Option<Parked>) {
    let found = find_call(&endpoint, receiver);
    drop(endpoint);
    match (found, answered) {
        (Some(receiver), answered) => {
            if let Some(answered) = answered {
                schedule::make_ready_first(answered);
            }
            schedule::switch_to(receiver);
        }
        (None, Some(answered)) if answered.thread().cpu() == Some(cpu::this_cpu()) => {
            schedule::switch_to(answered)
        }
        (None, answered) => {
            if let Some(answered) = answered {
                schedule::make_ready(answered);
            }
            schedule::dispatch();
        }
    }
}

/// Tells a caller that nobody will answer. One that has faulted ends its process when it is run: not here, because what
/// goes with that process may lose others, and how many in a row is for user space to say.
pub fn lose(mut caller: Parked) {
    match caller.has_faulted() {
        true => caller.settle_fault(false),
        false => caller.answer(Err(Status::ReplyLost.into())),
    }
    schedule::make_ready(caller);
}
