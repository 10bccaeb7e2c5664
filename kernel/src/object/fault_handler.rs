//! Where the faults of a thread or process are told: an endpoint, and the badge that says whose they are.
//!
//! A handler is a copy of the capability that it was set through, outside of tables: it goes when that is taken back. The
//! endpoint is not kept: were it, a thread that waits there for a verdict would keep it through its process, and nobody
//! could ever end that wait.

use alloc::sync::{Arc, Weak};

use super::capability::Node;
use super::{Capability, Endpoint};
use crate::sync::{Lock, rank};

/// An endpoint for faults, or none.
pub struct FaultHandler(Lock<Option<Told>, { rank::HANDLER }>);

struct Told {
    endpoint: Weak<Endpoint>,
    badge: u64,
    node: Option<Node>,
}

impl FaultHandler {
    /// Nobody is told.
    pub const fn none() -> FaultHandler {
        FaultHandler(Lock::new(None))
    }

    /// From now on faults are told by this copy of a capability to an endpoint.
    pub fn set(&self, copy: Option<Capability>) {
        let told = copy.and_then(|copy| {
            let (object, badge, node) = copy.into_parts();
            let endpoint = object.as_endpoint().map(Arc::downgrade)?;
            Some(Told {
                endpoint,
                badge,
                node,
            })
        });
        let before = core::mem::replace(&mut *self.0.lock(), told);
        drop(before);
    }

    /// Who is told now.
    pub fn get(&self) -> Option<(Arc<Endpoint>, u64)> {
        let handler = self.0.lock();
        let told = handler.as_ref()?;
        if told.node.as_ref().is_some_and(Node::is_taken_back) {
            return None;
        }
        Some((told.endpoint.upgrade()?, told.badge))
    }
}
