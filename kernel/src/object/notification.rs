//! Notifications: bits that anyone may set without waiting, and that a thread waits for or collects.
//!
//! One that is bound to an endpoint hands its bits to that endpoint's receivers: they wait for callers and for
//! bits at once.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use abi::syscall::NOTIFICATION_BADGE;
use abi::{Message, Registers, Status};

use super::census::{Counted, Kind};
use super::{Endpoint, Parked, Place, Queue, Thread};
use crate::cpu;
use crate::hotplug;
use crate::memory::heap;
use crate::refusal::{Refusal, require};
use crate::schedule;
use crate::sync::{Lock, rank};

/// A notification.
pub struct Notification {
    state: Lock<State, { rank::NOTIFICATION }>,
    /// Whether it is told of CPUs that go and come.
    is_told_of_cpus: AtomicBool,
    _counted: Counted,
}

struct State {
    bits: u64,
    waiters: Queue,
    /// Who gets the bits instead of waiters.
    endpoint: Option<Arc<Endpoint>>,
}

impl Notification {
    /// No bits, and nobody waits.
    pub fn new() -> Notification {
        let state = State {
            bits: 0,
            waiters: Queue::new(),
            endpoint: None,
        };
        Notification {
            state: Lock::new(state),
            is_told_of_cpus: AtomicBool::new(false),
            _counted: Counted::new(Kind::Notification),
        }
    }

    /// Sets bits, and wakes one who waits for some. Never waits itself.
    pub fn signal(&self, bits: u64) {
        // Threads that have ended go when the lock is free: what goes with them may signal again.
        let mut dead = Queue::new();
        let mut state = self.state.lock();
        if let Some(endpoint) = state.endpoint.clone() {
            drop(state);
            return endpoint.signal(bits);
        }
        state.bits |= bits;
        let waiter = loop {
            match state.waiters.pop_front() {
                Some(waiter) if waiter.is_dead() => dead.push_back(waiter),
                other => break other,
            }
        };
        if let Some(mut waiter) = waiter {
            let bits = core::mem::take(&mut state.bits);
            drop(state);
            waiter.has_waited();
            waiter.answer(Ok(Registers::of(&[bits])));
            schedule::make_ready(waiter);
        }
    }

    /// Gives the waiter the bits, or keeps it until there are some. One that has ended comes back.
    pub fn wait(self: &Arc<Self>, mut waiter: Parked) -> Option<Parked> {
        let mut state = self.state.lock();
        if state.endpoint.is_some() {
            waiter.answer(Err(Status::Bound.into()));
            return Some(waiter);
        }
        match core::mem::take(&mut state.bits) {
            0 if !waiter.begins_to_wait(Place::Notification(Arc::downgrade(self))) => Some(waiter),
            0 => {
                state.waiters.push_back(waiter);
                None
            }
            bits => {
                waiter.answer(Ok(Registers::of(&[bits])));
                Some(waiter)
            }
        }
    }

    /// Takes out a waiter whose process has ended.
    pub fn take_out(&self, waiter: &Thread) -> Option<Parked> {
        self.state.lock().waiters.remove(waiter)
    }

    /// From now on it is told of CPUs that go and come.
    pub fn tell_of_cpus(self: &Arc<Self>, bits: [u64; 2]) -> Result<(), Refusal> {
        self.is_told_of_cpus.store(true, Ordering::Relaxed);
        hotplug::notice(self, bits)
    }

    /// Takes the bits, none if there are none.
    pub fn collect(&self) -> Result<u64, Refusal> {
        let mut state = self.state.lock();
        require(state.endpoint.is_none(), Status::Bound)?;
        Ok(core::mem::take(&mut state.bits))
    }

    /// From now on the endpoint's receivers get the bits, those that are set already first of all.
    pub fn bind(&self, endpoint: &Arc<Endpoint>) -> Result<(), Refusal> {
        let bits = {
            let mut state = self.state.lock();
            require(state.endpoint.is_none(), Status::Bound)?;
            state.endpoint = Some(endpoint.clone());
            core::mem::take(&mut state.bits)
        };
        let next = || self.state.lock().waiters.pop_front();
        refuse(next, Status::Bound);
        if bits != 0 {
            endpoint.signal(bits);
        }
        Ok(())
    }
}

/// Nobody can signal it any more, so nobody would ever be woken.
impl Drop for Notification {
    fn drop(&mut self) {
        if *self.is_told_of_cpus.get_mut() {
            hotplug::forget_the_gone();
        }
        let waiters = &mut self.state.get_mut().waiters;
        refuse(|| waiters.pop_front(), Status::StaleHandle);
    }
}

/// Tells those who wait that they will get no bits.
fn refuse(mut next: impl FnMut() -> Option<Parked>, status: Status) {
    while let Some(mut waiter) = next() {
        waiter.has_waited();
        waiter.answer(Err(status.into()));
        schedule::make_ready(waiter);
        cpu::breathe();
    }
}

/// What a receiver at an endpoint sees of bits.
pub fn as_message(bits: u64) -> Registers {
    Registers::message(NOTIFICATION_BADGE, &Message::new(bits, [0; 6]))
}

/// Those who want to know when something has gone, told when this is dropped. Nobody is kept for that alone.
pub struct Notices(Lock<Vec<(Weak<Notification>, u64)>, { rank::NOTICES }>);

/// Most notifications that one end signals.
const MOST_NOTICES: usize = 16;

impl Notices {
    /// Nobody.
    pub const fn new() -> Notices {
        Notices(Lock::new(Vec::new()))
    }

    /// One more; bits for a notification that is told anyway are added to its own.
    pub fn add(&self, notification: &Arc<Notification>, bits: u64) -> Result<(), Refusal> {
        let mut notices = self.0.lock();
        notices.retain(|(it, _)| it.strong_count() > 0);
        let is_it = |it: &Weak<Notification>| it.as_ptr() == Arc::as_ptr(notification);
        if let Some((_, known)) = notices.iter_mut().find(|(it, _)| is_it(it)) {
            *known |= bits;
            return Ok(());
        }
        if notices.len() == MOST_NOTICES {
            return Err(Refusal {
                status: Status::TableFull,
                words: [MOST_NOTICES as u64, 0],
            });
        }
        heap::make_room(&mut notices, 1)?;
        notices.push((Arc::downgrade(notification), bits));
        Ok(())
    }
}

impl Drop for Notices {
    fn drop(&mut self) {
        for (notification, bits) in self.0.get_mut().drain(..) {
            if let Some(notification) = notification.upgrade() {
                notification.signal(bits);
            }
        }
    }
}
