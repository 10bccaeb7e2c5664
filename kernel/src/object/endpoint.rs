//! Endpoints: where callers and receivers meet, first of all those of one CPU.
//!
//! Receivers wait in a chain for each CPU ([`Receivers`]). A caller that finds none on its own CPU waits in one
//! locked queue, and asks the CPUs where somebody may wait. Nobody misses the other: a receiver that opens its
//! CPU's chain looks for callers and says that it waits under the lock of that queue, and from then on its
//! CPU is asked; a receiver that finds the chain open is on a CPU that is asked already.
//!
//! Callers wait by their priority, and in the order in which they came among equals.
//!
//! Bits of notifications that are bound here wait in the same place as callers, and go first.

use alloc::sync::Arc;

use abi::Status;
use percpu_core::CpuId;

use super::{Parked, Receivers, notification};
use crate::cpu;
use crate::ipc;
use crate::ipc::requests::{self, Request};
use crate::levels::Levels;
use crate::mailbox::{CpuSet, Others};
use crate::refusal::Refusal;
use crate::schedule;
use crate::sync::{Lock, rank};

/// An endpoint.
pub struct Endpoint {
    receivers: Arc<Receivers>,
    waiting: Lock<Waiting, { rank::ENDPOINT }>,
    /// CPUs that were asked and have not looked yet.
    asked: CpuSet,
}

/// What receivers have to ask for.
struct Waiting {
    callers: Levels<Call>,
    /// Bits of notifications that nobody has received.
    bits: u64,
}

/// What a receiver finds.
pub enum Met {
    /// A call, and the receiver.
    Call(Call, Parked),
    /// Bits: the receiver has them in its registers.
    Bits(Parked),
    /// Nothing: the receiver, if there was one, waits at the endpoint.
    Nothing,
}

/// A caller whose message waits in its registers.
pub struct Call {
    /// The caller.
    pub caller: Parked,
    /// The badge of the capability that it used.
    pub badge: u64,
}

impl Endpoint {
    /// Nobody waits.
    ///
    /// # Errors
    /// `EndpointsExhausted`.
    pub fn new() -> Result<Endpoint, Refusal> {
        let receivers = Receivers::new().map_err(|exhausted| Refusal {
            status: Status::EndpointsExhausted,
            words: [exhausted.limit, 0],
        })?;
        Ok(Endpoint {
            receivers: Arc::new(receivers),
            waiting: Lock::new(Waiting {
                callers: Levels::new(),
                bits: 0,
            }),
            asked: CpuSet::new(),
        })
    }

    /// The address of the per-CPU word at which receivers wait.
    pub fn receivers_word(&self) -> u64 {
        self.receivers.word()
    }

    /// Takes a receiver that waits on this CPU.
    pub fn take_receiver(&self) -> Option<Parked> {
        self.receivers.take()
    }

    /// Finds a receiver of this CPU for a call; without one the call waits here, and other CPUs are asked.
    pub fn meet_receiver(self: &Arc<Self>, mut call: Call) -> Option<(Call, Parked)> {
        if let Some(receiver) = self.receivers.take() {
            return Some((call, receiver));
        }
        let priority = call.caller.context().priority;
        self.waiting.lock().callers.push(priority, call, false);
        self.ask_all();
        None
    }

    /// Hands bits to a receiver of this CPU; without one they wait here, and other CPUs are asked.
    pub fn signal(self: &Arc<Self>, bits: u64) {
        if let Some(mut receiver) = self.receivers.take() {
            receiver.answer(Ok(notification::as_message(bits)));
            return schedule::make_ready(receiver);
        }
        self.waiting.lock().bits |= bits;
        self.ask_all();
    }

    /// Somebody waits, and no receiver does here.
    fn ask_all(self: &Arc<Self>) {
        self.receivers.close();
        self.receivers.cpus().others().for_each(|cpu| self.ask(cpu));
    }

    fn ask(self: &Arc<Self>, cpu: CpuId) {
        if self.asked.insert_first(cpu) {
            requests::send(cpu, Request::Serve(self.clone()));
        }
    }

    /// Finds bits or a call for a receiver; without any the receiver waits on this CPU.
    pub fn meet_caller(&self, mut receiver: Parked) -> Met {
        loop {
            let mut waiting = self.waiting.lock();
            if waiting.bits != 0 {
                let bits = core::mem::take(&mut waiting.bits);
                drop(waiting);
                receiver.answer(Ok(notification::as_message(bits)));
                return Met::Bits(receiver);
            }
            let Some((_, call)) = waiting.callers.pop() else {
                self.receivers.wait(receiver);
                return Met::Nothing;
            };
            drop(waiting);
            if !call.caller.is_dead() {
                return Met::Call(call, receiver);
            }
        }
    }

    /// This CPU was asked: the next receiver that waits here and its call or bits, as long as there are both.
    pub fn meet_here(&self) -> Met {
        self.asked.remove(cpu::this_cpu());
        let Some(receiver) = self.receivers.take() else {
            self.receivers.leave();
            return Met::Nothing;
        };
        self.meet_caller(receiver)
    }
}

/// Wakes those who wait on this CPU at an endpoint that nobody can reach any more.
pub fn close_here(receivers: &Receivers) {
    while let Some(mut receiver) = receivers.take() {
        receiver.answer(Err(Status::StaleHandle.into()));
        schedule::make_ready(receiver);
    }
    receivers.leave();
}

/// Nobody can reach the endpoint any more, so nobody would ever be answered.
impl Drop for Endpoint {
    fn drop(&mut self) {
        let callers = &mut self.waiting.get_mut().callers;
        while let Some((_, call)) = callers.pop() {
            ipc::lose(call.caller);
        }
        close_here(&self.receivers);
        for cpu in self.receivers.cpus().others() {
            requests::send(cpu, Request::Close(self.receivers.clone()));
        }
    }
}
