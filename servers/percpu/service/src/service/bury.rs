//! The end of clients.

use super::Service;
use crate::clients::MOST_CLIENTS;
use crate::ledger::{Counter, MOST_REGIONS, State, Words};
use crate::mapper::Mapper;

impl<M: Mapper, W: Words> Service<M, W> {
    /// Takes back what clients held that have ended: those whose slots are in the bits of the notification.
    pub fn bury(&mut self, bits: u64) {
        for slot in (0..MOST_CLIENTS).filter(|slot| bits >> slot & 1 == 1) {
            let Some(client) = self.clients.take(slot) else {
                continue;
            };
            self.forget(slot);
            self.mapper.drop(client.window);
            for piece in client.into_pieces() {
                self.pools.give_back(piece.run());
            }
        }
    }

    /// Takes a slot's client out of the ledger: its regions' ids are stale from now on.
    pub(super) fn forget(&mut self, slot: usize) {
        self.trace_end(slot);
        for index in slot * MOST_REGIONS..(slot + 1) * MOST_REGIONS {
            if self.ledger.region_head(index).0 != State::Free {
                self.ledger.retire_region(index);
            }
        }
        self.ledger.set_client_state(slot, State::Free);
        self.ledger.count(Counter::Buried);
    }
}
