//! Threads that would run or receive, but all CPUs that they are bound to are off. They stay here until one of these is
//! online again, or they are bound to others; nobody hands them a call meanwhile.
//!
//! One that would receive waits at its endpoint as before (`WaitsAt`), which does not stay for that.

use alloc::sync::Arc;

use abi::Status;

use super::place;
use crate::cpu;
use crate::ipc;
use crate::ipc::requests::{self, Request};
use crate::object::{Endpoint, Parked, Place, Queue, Thread};
use crate::sync::{Lock, rank};

static SUSPENDED: Lock<Queue, { rank::SUSPENDED }> = Lock::new(Queue::new());

/// Keeps a thread. It comes back when there is a CPU for it by now; one that has ended goes.
pub fn suspend(thread: Parked) -> Result<(), Parked> {
    // Whoever changes what is asked here looks for the thread afterwards.
    let mut suspended = SUSPENDED.lock();
    if thread.is_dead() {
        drop(suspended);
        return Ok(());
    }
    if !thread.thread().is_bound_to_none_online() {
        return Err(thread);
    }
    suspended.push_back(thread);
    Ok(())
}

/// A CPU is online again: those that waited for it go on, and the others come back here.
pub fn release() {
    let count = SUSPENDED.lock().len();
    for _ in 0..count {
        let first = SUSPENDED.lock().pop_front();
        first.into_iter().for_each(resume);
        cpu::breathe();
    }
}

/// A thread was bound to other CPUs: it goes on if it was here.
pub fn reconsider(thread: &Thread) {
    take_out(thread).into_iter().for_each(resume);
}

/// Takes a thread out, if it is here.
pub fn take_out(thread: &Thread) -> Option<Parked> {
    SUSPENDED.lock().remove(thread)
}

fn resume(mut thread: Parked) {
    let Some(Place::Endpoint(endpoint)) = thread.thread().waits_at.take() else {
        return place::make_ready(thread);
    };
    match endpoint.upgrade() {
        Some(endpoint) => send_receiver(&endpoint, thread),
        None => {
            thread.answer(Err(Status::StaleHandle.into()));
            place::make_ready(thread);
        }
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
            None => {
                let place = Place::Endpoint(Arc::downgrade(endpoint));
                receiver.thread().waits_at.set(place);
                match suspend(receiver) {
                    Ok(()) => return,
                    Err(back) => {
                        back.has_waited();
                        back
                    }
                }
            }
        };
    }
}
