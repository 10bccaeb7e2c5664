//! Accounts: how many frames a process may own, and who gets them back.
//!
//! A process' frames are taken from its creator's account, as used there, and come back when the process has
//! ended: what is free at once, the rest when the last holder of its memory lets go.

use alloc::sync::Arc;

use abi::Status;

use crate::refusal::Refusal;
use crate::sync::{Lock, rank};

/// An account of frames.
pub struct Account {
    parent: Option<Arc<Account>>,
    state: Lock<State, { rank::ACCOUNT }>,
}

struct State {
    limit: u64,
    used: u64,
    is_closed: bool,
}

impl Account {
    /// The account of the first process.
    pub fn root(limit: u64) -> Arc<Account> {
        Account::new(None, limit)
    }

    /// An account of frames that `parent` pays.
    pub fn below(parent: &Arc<Account>, limit: u64) -> Result<Arc<Account>, Refusal> {
        parent.charge(limit)?;
        Ok(Account::new(Some(parent.clone()), limit))
    }

    fn new(parent: Option<Arc<Account>>, limit: u64) -> Arc<Account> {
        let state = State {
            limit,
            used: 0,
            is_closed: false,
        };
        Arc::new(Account {
            parent,
            state: Lock::new(state),
        })
    }

    /// Takes frames, or refuses with the limit and what is used.
    pub fn charge(&self, frames: u64) -> Result<(), Refusal> {
        let mut state = self.state.lock();
        if state.is_closed && frames > 0 {
            return Err(Status::ProcessEnded.into());
        }
        if frames > state.limit - state.used {
            let words = [state.limit, state.used];
            return Err(Refusal {
                status: Status::AccountExhausted,
                words,
            });
        }
        state.used += frames;
        Ok(())
    }

    /// Gives frames back; behind the end of the process to the parent.
    pub fn refund(&self, frames: u64) {
        let is_closed = {
            let mut state = self.state.lock();
            state.used -= frames;
            state.is_closed
        };
        if let (true, Some(parent)) = (is_closed, &self.parent) {
            parent.refund(frames);
        }
    }

    /// Gives everything unused to the parent, and from now on everything that comes back.
    pub fn close(&self) {
        let unused = {
            let mut state = self.state.lock();
            if state.is_closed {
                return;
            }
            state.is_closed = true;
            state.limit - state.used
        };
        if let Some(parent) = &self.parent {
            parent.refund(unused);
        }
    }

    /// Frames used, and how many may be.
    pub fn used_and_limit(&self) -> (u64, u64) {
        let state = self.state.lock();
        (state.used, state.limit)
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.close();
    }
}
