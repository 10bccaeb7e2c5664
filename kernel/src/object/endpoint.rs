//! Endpoints: where callers and receivers meet, first of all those of one CPU.
//!
//! Receivers wait in a chain for each CPU ([`Receivers`]). A caller that finds none on its own CPU waits in one
//! locked queue, and asks the CPUs where somebody may wait. Nobody misses the other: a receiver that opens its
//! CPU's chain looks for callers and says that it waits under the lock of that queue, and from then on its
//! CPU is asked; a receiver that finds the chain open is on a CPU that is asked already.

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use abi::Status;
use percpu_core::CpuId;

use super::{Parked, Receivers};
use crate::cpu;
use crate::ipc;
use crate::ipc::requests::{self, Request};
use crate::mailbox::CpuSet;
use crate::refusal::Refusal;
use crate::schedule;
use crate::sync::Lock;

/// An endpoint.
pub struct Endpoint {
    receivers: Arc<Receivers>,
    callers: Lock<VecDeque<Call>>,
    /// CPUs that were asked and have not looked yet.
    asked: CpuSet,
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
            callers: Lock::new(VecDeque::new()),
            asked: CpuSet::new(),
        })
    }

    /// The address of the per-CPU word at which receivers wait.
    pub fn receivers_word(&self) -> u64 {
        self.receivers.word()
    }

    /// Finds a receiver of this CPU for a call; without one the call waits here, and other CPUs are asked.
    pub fn meet_receiver(self: &Arc<Self>, call: Call) -> Option<(Call, Parked)> {
        if let Some(receiver) = self.receivers.take() {
            return Some((call, receiver));
        }
        self.callers.lock().push_back(call);
        self.receivers.close();
        self.receivers.cpus().others().for_each(|cpu| self.ask(cpu));
        None
    }

    fn ask(self: &Arc<Self>, cpu: CpuId) {
        if self.asked.insert_first(cpu) {
            requests::send(cpu, Request::Serve(self.clone()));
        }
    }

    /// Finds a call for a receiver; without one the receiver waits on this CPU.
    pub fn meet_caller(&self, receiver: Parked) -> Option<(Call, Parked)> {
        loop {
            let mut callers = self.callers.lock();
            let Some(call) = callers.pop_front() else {
                self.receivers.wait(receiver);
                return None;
            };
            drop(callers);
            if !call.caller.is_dead() {
                return Some((call, receiver));
            }
        }
    }

    /// This CPU was asked: the next receiver that waits here and its call, as long as there are both.
    pub fn meet_here(&self) -> Option<(Call, Parked)> {
        self.asked.remove(cpu::this_cpu());
        let Some(receiver) = self.receivers.take() else {
            self.receivers.leave();
            return None;
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
        let callers = self.callers.get_mut();
        callers.drain(..).for_each(|call| ipc::lose(call.caller));
        close_here(&self.receivers);
        for cpu in self.receivers.cpus().others() {
            requests::send(cpu, Request::Close(self.receivers.clone()));
        }
    }
}
