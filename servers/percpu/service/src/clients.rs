//! The clients, by badge.

use alloc::vec::Vec;

use abi::percpu::PercpuError;

use crate::client::Client;
use crate::room::room;

/// Most clients of the server.
pub const MOST_CLIENTS: usize = 64;

/// Everyone who was attached.
#[derive(Debug, Default)]
pub struct Clients(Vec<Client>);

impl Clients {
    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Regions of all.
    pub fn regions(&self) -> u64 {
        self.0.iter().map(Client::regions).sum()
    }

    /// The client with this badge.
    pub fn find(&mut self, badge: u64) -> Result<&mut Client, PercpuError> {
        let mut clients = self.0.iter_mut();
        clients
            .find(|client| client.badge == badge)
            .ok_or(PercpuError::NotAttached)
    }

    /// Room for one more.
    pub fn make_room(&mut self) -> Result<(), PercpuError> {
        match self.0.len() < MOST_CLIENTS {
            true => room(&mut self.0, 1, MOST_CLIENTS),
            false => Err(PercpuError::ServerFull(MOST_CLIENTS as u64)),
        }
    }

    /// Adds one, for whom there is room.
    pub fn add(&mut self, client: Client) {
        self.0.push(client);
    }
}
