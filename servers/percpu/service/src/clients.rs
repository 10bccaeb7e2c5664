//! The clients: each has a slot as long as it lives, which is its bit in the server's notification, too.

use alloc::vec::Vec;

use abi::percpu::PercpuError;

use crate::client::Client;
use crate::room::room;

/// Most clients of the server: a notification has that many bits.
pub const MOST_CLIENTS: usize = 64;

/// Everyone who was attached and lives.
#[derive(Debug)]
pub struct Clients {
    slots: Vec<Option<Client>>,
    /// Behind the last slot that is taken.
    end: usize,
}

impl Clients {
    /// None, with room for all.
    pub fn new() -> Result<Clients, PercpuError> {
        let mut slots = Vec::new();
        room(&mut slots, MOST_CLIENTS, MOST_CLIENTS)?;
        slots.resize_with(MOST_CLIENTS, || None);
        Ok(Clients { slots, end: 0 })
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Client> {
        self.slots[..self.end].iter().flatten()
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.iter().count()
    }

    /// Regions of all.
    pub fn regions(&self) -> u64 {
        self.iter().map(Client::region_count).sum()
    }

    /// The client with this badge.
    pub fn find(&mut self, badge: u64) -> Result<&mut Client, PercpuError> {
        let mut clients = self.slots[..self.end].iter_mut().flatten();
        clients
            .find(|client| client.badge == badge)
            .ok_or(PercpuError::NotAttached)
    }

    /// The client in a slot.
    pub fn in_slot(&self, slot: usize) -> Option<&Client> {
        self.slots.get(slot)?.as_ref()
    }

    /// A slot that nobody has.
    pub fn free_slot(&self) -> Result<usize, PercpuError> {
        let slot = self.slots.iter().position(Option::is_none);
        slot.ok_or(PercpuError::ServerFull(MOST_CLIENTS as u64))
    }

    /// Gives a client a slot.
    pub fn put(&mut self, slot: usize, client: Client) {
        self.slots[slot] = Some(client);
        self.end = self.end.max(slot + 1);
    }

    /// Takes the client out of its slot.
    pub fn take(&mut self, slot: usize) -> Option<Client> {
        let client = self.slots.get_mut(slot).and_then(Option::take);
        let last = self.slots.iter().rposition(Option::is_some);
        self.end = last.map_or(0, |last| last + 1);
        client
    }
}
