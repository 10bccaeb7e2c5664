//! Endpoints: where callers and receivers meet. At most one of the two kinds waits.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use abi::Status;

use super::Parked;
use crate::cpu;
use crate::ipc;
use crate::schedule;
use crate::sync::Lock;

/// An endpoint.
pub struct Endpoint(Lock<State>);

struct State {
    receivers: Vec<Parked>,
    callers: VecDeque<Call>,
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
    pub fn new() -> Endpoint {
        Endpoint(Lock::new(State {
            receivers: Vec::new(),
            callers: VecDeque::new(),
        }))
    }

    /// Finds a receiver for a call; without one the call waits here.
    pub fn meet_receiver(&self, call: Call) -> Option<(Call, Parked)> {
        loop {
            let mut state = self.0.lock();
            let Some(index) = best(&state.receivers) else {
                state.callers.push_back(call);
                return None;
            };
            let receiver = state.receivers.swap_remove(index);
            drop(state);
            if !receiver.is_dead() {
                return Some((call, receiver));
            }
        }
    }

    /// Finds a call for a receiver; without one the receiver waits here.
    pub fn meet_caller(&self, receiver: Parked) -> Option<(Call, Parked)> {
        loop {
            let mut state = self.0.lock();
            let Some(call) = state.callers.pop_front() else {
                state.receivers.push(receiver);
                return None;
            };
            drop(state);
            if !call.caller.is_dead() {
                return Some((call, receiver));
            }
        }
    }
}

/// A receiver that waits on this CPU, or one that may come here, or any.
fn best(receivers: &[Parked]) -> Option<usize> {
    let this = cpu::this_cpu();
    let position = |test: &dyn Fn(&Parked) -> bool| receivers.iter().position(test);
    let may_run = |receiver: &Parked| receiver.thread().may_run_on(this);
    position(&|receiver| receiver.thread().cpu() == Some(this) && may_run(receiver))
        .or_else(|| position(&may_run))
        .or_else(|| position(&|_| true))
}

/// Nobody can reach the endpoint any more, so nobody would ever be answered.
impl Drop for Endpoint {
    fn drop(&mut self) {
        let state = self.0.get_mut();
        state.callers.drain(..).for_each(|call| ipc::lose(call.caller));
        for mut receiver in state.receivers.drain(..) {
            receiver.answer(Err(Status::StaleHandle.into()));
            schedule::make_ready(receiver);
        }
    }
}
