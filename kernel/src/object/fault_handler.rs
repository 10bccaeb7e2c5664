//! Where the faults of a thread or process are told: an endpoint, and the badge that says whose they are.
//!
//! The endpoint is not kept: were it, a thread that waits there for a verdict would keep it through its process, and nobody
//! could ever end that wait.

use alloc::sync::{Arc, Weak};

use super::Endpoint;
use crate::sync::{Lock, rank};

/// An endpoint for faults, or none.
pub struct FaultHandler(Lock<Option<(Weak<Endpoint>, u64)>, { rank::HANDLER }>);

impl FaultHandler {
    /// Nobody is told.
    pub const fn none() -> FaultHandler {
        FaultHandler(Lock::new(None))
    }

    /// From now on faults are told there.
    pub fn set(&self, handler: Option<(&Arc<Endpoint>, u64)>) {
        let handler = handler.map(|(endpoint, badge)| (Arc::downgrade(endpoint), badge));
        let before = core::mem::replace(&mut *self.0.lock(), handler);
        drop(before);
    }

    /// Who is told now.
    pub fn get(&self) -> Option<(Arc<Endpoint>, u64)> {
        let handler = self.0.lock();
        let (endpoint, badge) = handler.as_ref()?;
        Some((endpoint.upgrade()?, *badge))
    }
}
