//! Threads that would run or receive, but all CPUs that they are bound to are off. They stay here until one of these is
//! online again, or they are bound to others; nobody hands them a call meanwhile.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use abi::Status;
use percpu_core::CpuId;

use super::place;
use crate::cpu;
use crate::ipc;
use crate::ipc::requests::{self, Request};
use crate::object::{Endpoint, Parked, Thread};
use crate::sync::{Lock, rank};

/// What a thread does when it can.
pub enum Then {
    /// It goes on.
    Run,
    /// It waits for a caller at this endpoint, which does not stay for that.
    Receive(Weak<Endpoint>),
}

struct Suspended {
    thread: Parked,
    then: Then,
}

static SUSPENDED: Lock<Vec<Suspended>, { rank::SUSPENDED }> = Lock::new(Vec::new());

/// Keeps a thread. It comes back when there is a CPU for it by now; one that has ended goes.
pub fn suspend(thread: Parked, then: Then) -> Result<(), (Parked, Then)> {
    // Whoever changes what is asked here looks through the list afterwards.
    let mut suspended = SUSPENDED.lock();
    if thread.is_dead() {
        drop(suspended);
        return Ok(());
    }
    if !thread.thread().is_bound_to_none_online() {
        return Err((thread, then));
    }
    suspended.push(Suspended { thread, then });
    Ok(())
}

/// A CPU is online again: those that waited for it go on.
pub fn release(cpu: CpuId) {
    take(|thread| thread.thread().may_run_on(cpu))
        .into_iter()
        .for_each(resume);
}

/// A thread was bound to other CPUs: it goes on if it was here.
pub fn reconsider(thread: &Thread) {
    take(|suspended| core::ptr::eq(suspended.thread(), thread))
        .into_iter()
        .for_each(resume);
}

/// Lets go of those whose process has ended.
pub fn drop_ended() {
    drop(take(Parked::is_dead));
}

/// No lock is held when they go, since others may be woken by that.
fn take(is_it: impl Fn(&Parked) -> bool) -> Vec<Suspended> {
    let mut suspended = SUSPENDED.lock();
    suspended.extract_if(.., |it| is_it(&it.thread)).collect()
}

fn resume(Suspended { mut thread, then }: Suspended) {
    match then {
        Then::Run => place::make_ready(thread),
        Then::Receive(endpoint) => match endpoint.upgrade() {
            Some(endpoint) => send_receiver(&endpoint, thread),
            None => {
                thread.answer(Err(Status::StaleHandle.into()));
                place::make_ready(thread);
            }
        },
    }
}

/// Lets a receiver wait on a CPU that it may run on.
pub fn send_receiver(endpoint: &Arc<Endpoint>, mut receiver: Parked) {
    loop {
        receiver = match place::target_of(&mut receiver, cpu::this_cpu()) {
            Some(cpu) if cpu == cpu::this_cpu() => return ipc::receive_here(endpoint, receiver),
            Some(cpu) => match requests::send(cpu, Request::Receive(endpoint.clone(), receiver)) {
                Ok(()) => return,
                Err(Request::Receive(_, back)) => back,
                Err(_) => unreachable!("what is not taken comes back"),
            },
            None => match suspend(receiver, Then::Receive(Arc::downgrade(endpoint))) {
                Ok(()) => return,
                Err((back, _)) => back,
            },
        };
    }
}
