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

use super::census::{Counted, Kind};
use super::{Account, Parked, Place, Receivers, Thread, endpoints, notification};
use crate::cpu::{self, breath};
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
    account: Arc<Account>,
    _counted: Counted,
}

/// What receivers have to ask for.
struct Waiting {
    /// Each with the badge that it used (`Context::badge`).
    callers: Levels,
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
    pub fn new(account: &Arc<Account>) -> Result<Arc<Endpoint>, Refusal> {
        account.charge_endpoint()?;
        let receivers = Receivers::new().map_err(|exhausted| {
            account.refund_endpoint();
            Refusal {
                status: Status::EndpointsExhausted,
                words: [exhausted.limit, 0],
            }
        })?;
        let receivers = Arc::new(receivers);
        let endpoint = Arc::new(Endpoint {
            receivers: receivers.clone(),
            waiting: Lock::new(Waiting {
                callers: Levels::new(),
                bits: 0,
            }),
            asked: CpuSet::new(),
            account: account.clone(),
            _counted: Counted::new(Kind::Endpoint),
        });
        endpoints::add(&endpoint, &receivers);
        Ok(endpoint)
    }

    /// The address of the per-CPU word at which receivers wait.
    pub fn receivers_word(&self) -> u64 {
        self.receivers.word()
    }

    /// Finds a receiver of this CPU for a call; without one the call waits here, and other CPUs are asked.
    pub fn meet_receiver(self: &Arc<Self>, call: Call) -> Option<(Call, Parked)> {
        if let Some(receiver) = self.take_receiver() {
            return Some((call, receiver));
        }
        let Call { mut caller, badge } = call;
        caller.context().badge = badge;
        let priority = caller.context().priority;
        let mut waiting = self.waiting.lock();
        if caller.begins_to_wait(Place::Endpoint(Arc::downgrade(self))) {
            waiting.callers.push(priority, caller, false);
            drop(waiting);
            self.ask_all();
        }
        None
    }

    /// Takes out a caller whose process has ended.
    pub fn take_out(&self, caller: &Thread) -> Option<Parked> {
        self.waiting.lock().callers.remove(caller)
    }

    /// Hands bits to a receiver of this CPU; without one they wait here, and other CPUs are asked.
    pub fn signal(self: &Arc<Self>, bits: u64) {
        if let Some(mut receiver) = self.take_receiver() {
            receiver.answer(Ok(notification::as_message(bits)));
            return schedule::make_ready(receiver);
        }
        self.waiting.lock().bits |= bits;
        self.ask_all();
    }

    /// Takes a receiver of this CPU. Those that can run nowhere now are kept apart.
    pub fn take_receiver(self: &Arc<Self>) -> Option<Parked> {
        let receiver = self.receivers.take()?;
        match receiver.thread().is_stranded() {
            true => self.take_behind(receiver),
            false => Some(receiver),
        }
    }

    #[cold]
    fn take_behind(self: &Arc<Self>, mut stranded: Parked) -> Option<Parked> {
        loop {
            schedule::send_receiver(self, stranded);
            stranded = self.receivers.take()?;
            if !stranded.thread().is_stranded() {
                return Some(stranded);
            }
        }
    }

    /// This CPU goes: whoever waits here waits elsewhere from now on, or is suspended.
    pub fn move_receivers_away(self: &Arc<Self>) {
        while let Some(receiver) = self.receivers.take() {
            schedule::send_receiver(self, receiver);
        }
        self.asked.remove(cpu::this_cpu());
        self.receivers.leave();
    }

    /// Other CPUs are online than before: whoever waits here and should be elsewhere goes there.
    pub fn send_strays_home(self: &Arc<Self>) {
        let is_stray = |receiver: &Parked| !receiver.thread().may_run_on(cpu::this_cpu());
        let mut strays = self.receivers.take_out(is_stray);
        let strays = core::iter::from_fn(|| strays.pop_front());
        breath::for_each(strays, 1, |receiver| schedule::send_receiver(self, receiver));
    }

    /// Lets go of those who wait here and have ended.
    pub fn drop_ended(self: &Arc<Self>) {
        let mut ended = self.receivers.take_out(Parked::is_dead);
        breath::for_each(core::iter::from_fn(|| ended.pop_front()), 1, drop);
    }

    /// Somebody waits, and no receiver does here.
    fn ask_all(self: &Arc<Self>) {
        self.receivers.close();
        self.receivers.cpus().others().for_each(|cpu| self.ask(cpu));
    }

    fn ask(self: &Arc<Self>, cpu: CpuId) {
        while self.asked.insert_first(cpu) {
            if requests::send(cpu, Request::Serve(self.clone())).is_ok() {
                return;
            }
            // It has just parked, and all who waited there wait elsewhere. Should it be back already, others may have
            // relied on this request.
            self.asked.remove(cpu);
            if !self.receivers.cpus().contains(cpu) {
                return;
            }
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
            let Some((_, mut caller)) = waiting.callers.pop() else {
                self.receivers.wait(receiver);
                return Met::Nothing;
            };
            drop(waiting);
            caller.has_waited();
            if !caller.is_dead() {
                let badge = caller.context().badge;
                return Met::Call(Call { caller, badge }, receiver);
            }
        }
    }

    /// This CPU was asked: the next receiver that waits here and its call or bits, as long as there are both.
    pub fn meet_here(self: &Arc<Self>) -> Met {
        self.asked.remove(cpu::this_cpu());
        let Some(receiver) = self.take_receiver() else {
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
        while let Some((_, caller)) = callers.pop() {
            caller.has_waited();
            ipc::lose(caller);
            cpu::breathe();
        }
        close_here(&self.receivers);
        self.account.refund_endpoint();
        for cpu in self.receivers.cpus().others() {
            // One that has just parked has nobody who waits.
            drop(requests::send(cpu, Request::Close(self.receivers.clone())));
        }
        // Last, so that a CPU that goes meanwhile finds it here or is told.
        endpoints::remove(&self.receivers);
    }
}
