//! Accounts: how many frames a process may own, and who gets them back.
//!
//! A process' frames are taken from its creator's account, as used there, and come back when the process has
//! ended: what is free at once, the rest when the last holder of its memory lets go. Frames are memory objects, page
//! tables, the table that the assembly of messages reads, and pages of the kernel's heap with the objects that the
//! process has caused (`memory/heap.rs`).
//!
//! Endpoints also take words of the first chunk, of which there are only so many (`percpu/word.rs`). Of these a process and
//! everything below it may have a quarter of what its creator may, and the first process all.

use alloc::sync::Arc;

use abi::Status;

use crate::memory::heap::Lists;
use crate::percpu;
use crate::refusal::Refusal;
use crate::sync::{Guard, Lock, rank};

/// An account of frames.
pub struct Account {
    parent: Option<Arc<Account>>,
    /// Most endpoints, see above.
    endpoint_limit: u64,
    state: Lock<State, { rank::ACCOUNT }>,
    heap: Lists,
}

/// What a process may have of its creator's endpoints.
const SHARE: u64 = 4;

struct State {
    limit: u64,
    /// More than the limit only within a kernel call, which is refused then.
    used: u64,
    /// Of these: pages of the heap.
    heap: u64,
    /// Endpoints of this process and of those below it.
    endpoints: u64,
    is_closed: bool,
}

impl State {
    fn unused(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    fn exhausted(&self) -> Refusal {
        Refusal {
            status: Status::AccountExhausted,
            words: [self.limit, self.used.min(self.limit)],
        }
    }
}

impl Account {
    /// The account of the first process.
    pub fn root(limit: u64) -> Arc<Account> {
        Account::new(None, limit, percpu::word::limit())
    }

    /// An account of frames that `parent` pays.
    pub fn below(parent: &Arc<Account>, limit: u64) -> Result<Arc<Account>, Refusal> {
        parent.charge(limit)?;
        let endpoints = parent.endpoint_limit / SHARE;
        Ok(Account::new(Some(parent.clone()), limit, endpoints))
    }

    fn new(parent: Option<Arc<Account>>, limit: u64, endpoint_limit: u64) -> Arc<Account> {
        let state = State {
            limit,
            used: 0,
            heap: 0,
            endpoints: 0,
            is_closed: false,
        };
        Arc::new(Account {
            parent,
            endpoint_limit,
            state: Lock::new(state),
            heap: Lists::new(),
        })
    }

    /// Takes frames, or refuses with the limit and what is used.
    pub fn charge(&self, frames: u64) -> Result<(), Refusal> {
        self.take(frames, false).map(drop)
    }

    /// The same for pages of the heap; what is `sure` may overdraw the account until [`Account::check_covered`].
    pub fn charge_heap(&self, frames: u64, sure: bool) -> Result<(), Refusal> {
        self.take(frames, sure)?.heap += frames;
        Ok(())
    }

    fn take(&self, frames: u64, sure: bool) -> Result<Guard<'_, State, { rank::ACCOUNT }>, Refusal> {
        let mut state = self.state.lock();
        if state.is_closed && frames > 0 {
            return Err(Status::ProcessEnded.into());
        }
        if frames > state.unused() && !sure {
            return Err(state.exhausted());
        }
        state.used += frames;
        Ok(state)
    }

    /// Refuses when more is used than may be.
    pub fn check_covered(&self) -> Result<(), Refusal> {
        let state = self.state.lock();
        match state.used > state.limit {
            true => Err(state.exhausted()),
            false => Ok(()),
        }
    }

    /// Gives frames back; behind the end of the process to the parent, and so on.
    pub fn refund(&self, frames: u64) {
        let (mut account, mut frames) = (self, frames);
        loop {
            let mut state = account.state.lock();
            let before = state.unused();
            state.used -= frames;
            frames = state.unused() - before;
            match &account.parent {
                Some(parent) if state.is_closed && frames > 0 => {
                    drop(state);
                    account = parent;
                }
                _ => return,
            }
        }
    }

    /// Gives pages of the heap back.
    pub fn refund_heap(&self, frames: u64) {
        self.state.lock().heap -= frames;
        self.refund(frames);
    }

    /// Takes an endpoint of this account and of all above it. There are few above one that may have any.
    pub fn charge_endpoint(&self) -> Result<(), Refusal> {
        for (above, account) in self.upwards().enumerate() {
            let mut state = account.state.lock();
            if state.endpoints >= account.endpoint_limit {
                drop(state);
                self.refund_endpoints(above);
                return Err(Refusal {
                    status: Status::EndpointsExhausted,
                    words: [account.endpoint_limit, 0],
                });
            }
            state.endpoints += 1;
        }
        Ok(())
    }

    /// Gives an endpoint back.
    pub fn refund_endpoint(&self) {
        self.refund_endpoints(usize::MAX);
    }

    fn refund_endpoints(&self, accounts: usize) {
        let accounts = self.upwards().take(accounts);
        accounts.for_each(|account| account.state.lock().endpoints -= 1);
    }

    fn upwards(&self) -> impl Iterator<Item = &Account> {
        core::iter::successors(Some(self), |account| account.parent.as_deref())
    }

    /// Gives everything unused to the parent, and from now on everything that comes back.
    pub fn close(&self) {
        let unused = {
            let mut state = self.state.lock();
            if state.is_closed {
                return;
            }
            state.is_closed = true;
            state.unused()
        };
        if let Some(parent) = &self.parent {
            parent.refund(unused);
        }
    }

    /// Frames used, how many may be, and how many are pages of the heap.
    pub fn count(&self) -> [u64; 3] {
        let state = self.state.lock();
        [state.used, state.limit, state.heap]
    }

    /// Its pages of the heap.
    pub fn heap(&self) -> &Lists {
        &self.heap
    }
}

impl Drop for Account {
    /// Parents go one after the other: how many there are in a row, programs decide.
    fn drop(&mut self) {
        self.close();
        let mut next = self.parent.take();
        while let Some(mut last) = next.and_then(Arc::into_inner) {
            last.close();
            next = last.parent.take();
        }
    }
}
