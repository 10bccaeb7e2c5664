//! Where receivers of an endpoint wait: a chain for each CPU, whose head is a per-CPU word that only its CPU
//! changes. So whoever calls finds a receiver of its own CPU without a lock and without another CPU's memory.
//!
//! The head is
//! - [`CLOSED`]: nobody waits, and whoever wants to wait has to ask for callers first;
//! - [`OPEN`]: nobody waits, no caller waits that this CPU knows of, and this CPU is in `cpus`;
//! - else the token of the receiver that came last; behind each stands the next (`Context::next`), and behind the
//!   first that came stands `OPEN`.
//!
//! So a CPU whose head is not `CLOSED` is in `cpus`: callers elsewhere see it and send it an interrupt. It
//! takes itself out when it was asked and nobody waits. The assembly of messages takes the first of a chain, and
//! puts one in front, when the head is not `CLOSED`; everything else happens here.

use core::cell::Cell;

pub use lockfree::{CLOSED, Head, OPEN};

use super::{Parked, Queue};
use crate::cpu::{self, breath};
use crate::mailbox::CpuSet;
use crate::percpu::word::{PerCpuWord, WordsExhausted};

/// The receivers of an endpoint.
pub struct Receivers {
    heads: PerCpuWord,
    cpus: CpuSet,
}

impl Receivers {
    /// Nobody waits anywhere.
    pub fn new() -> Result<Receivers, WordsExhausted> {
        Ok(Receivers {
            heads: PerCpuWord::allocate()?,
            cpus: CpuSet::new(),
        })
    }

    /// The heads' address in the template, for the assembly.
    pub fn word(&self) -> u64 {
        self.heads.address()
    }

    /// CPUs on which somebody may wait.
    pub fn cpus(&self) -> &CpuSet {
        &self.cpus
    }

    fn head(&self) -> &Cell<u64> {
        self.heads.local()
    }

    /// The head, for opening and closing it.
    fn door(&self) -> Head<'_> {
        Head {
            word: self.head(),
            cpus: &self.cpus,
            cpu: cpu::this_cpu(),
        }
    }

    /// Takes a receiver of this CPU that has not ended. Short, but for what is seldom.
    #[inline(always)]
    pub fn take(&self) -> Option<Parked> {
        let first = self.take_first()?;
        match first.is_dead() {
            true => self.take_behind(first),
            false => Some(first),
        }
    }

    #[cold]
    fn take_behind(&self, ended: Parked) -> Option<Parked> {
        drop(ended);
        core::iter::from_fn(|| self.take_first()).find(|receiver| !receiver.is_dead())
    }

    fn take_first(&self) -> Option<Parked> {
        let head = self.head();
        if head.get() <= OPEN {
            return None;
        }
        // SAFETY: 1. a word above `OPEN` is a token that was put there by `wait` or the assembly, and the next
        // line takes it out.
        let mut first = unsafe { Parked::from_word(head.get()) }?;
        head.set(first.context().next);
        Some(first)
    }

    /// Takes all of those receivers of this CPU; the others wait as before.
    pub fn take_out(&self, is_one: impl Fn(&Parked) -> bool) -> Queue {
        let (mut out, mut others) = (Queue::new(), Queue::new());
        breath::for_each(
            core::iter::from_fn(|| self.take_first()),
            breath::OFTEN,
            |first| match is_one(&first) {
                true => out.push_back(first),
                false => others.push_front(first),
            },
        );
        breath::for_each(
            core::iter::from_fn(|| others.pop_front()),
            breath::OFTEN,
            |last| {
                self.put_back(last);
            },
        );
        out
    }

    /// Lets a receiver wait on this CPU. Whoever calls has seen, under the lock of the callers, that none waits.
    pub fn wait(&self, mut receiver: Parked) {
        self.door().open();
        let head = self.head();
        receiver.context().next = head.get();
        head.set(receiver.into_word());
    }

    /// Puts a receiver of this CPU back in front, where it was taken from; nothing else has happened here meanwhile.
    fn put_back(&self, mut receiver: Parked) {
        let head = self.head();
        assert!(
            head.get() != CLOSED,
            "nobody closes a chain while it is gone through"
        );
        receiver.context().next = head.get();
        head.set(receiver.into_word());
    }

    /// A caller waits, and no receiver does here: the next one has to ask for it.
    pub fn close(&self) {
        self.door().close();
    }

    /// The same, and nobody needs to ask this CPU any more.
    pub fn leave(&self) {
        self.door().leave();
    }
}
