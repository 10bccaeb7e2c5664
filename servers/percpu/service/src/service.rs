//! The requests, one method for each.

use alloc::vec::Vec;

use abi::percpu::{
    Geometry, Grant, INIT_BADGE, PROTOCOL_VERSION, PercpuError, Populate, RegionId, Request, Stats,
};
use abi::{Handle, Message, PAGE_SIZE, Received};

use crate::client::Region;
use crate::clients::Clients;
use crate::mapper::Mapper;
use crate::pools::{Pool, Pools};
use crate::stock::Stock;

mod attach;
mod back;

/// The tag of a client's static part in its window; a region's is its id.
pub const STATIC_TAG: u64 = u64::MAX;

/// What is left of the first chunk, and the shape of windows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FirstChunk {
    /// The memory of its reserved part.
    pub reserved: Handle,
    /// Pages per unit of that.
    pub reserved_pages: u64,
    /// The memory of its dynamic part.
    pub dynamic: Handle,
    /// Pages per unit of that.
    pub dynamic_pages: u64,
    /// Units.
    pub possible_cpus: u64,
    /// Bytes from one unit of a window to the next.
    pub stride: u64,
}

/// The percpu server without its threads.
#[derive(Debug)]
pub struct Service<M> {
    mapper: M,
    pools: Pools,
    clients: Clients,
    possible_cpus: u64,
    stride: u64,
    refused: u64,
    malformed: u64,
}

impl<M: Mapper> Service<M> {
    /// A service without clients.
    ///
    /// # Errors
    /// [`PercpuError::ServerFull`] when the first chunk is too large for the server's own memory.
    pub fn new(chunk: FirstChunk, mapper: M) -> Result<Service<M>, PercpuError> {
        let reserved = Stock::new(chunk.reserved, chunk.reserved_pages as usize)?;
        let dynamic = Stock::new(chunk.dynamic, chunk.dynamic_pages as usize)?;
        Ok(Service {
            mapper,
            pools: Pools::new(reserved, dynamic, chunk.possible_cpus)?,
            clients: Clients::default(),
            possible_cpus: chunk.possible_cpus,
            stride: chunk.stride,
            refused: 0,
            malformed: 0,
        })
    }

    /// Answers one message, whatever it is. A capability that came with a refused one is dropped, so nobody
    /// can fill the server's table.
    pub fn answer(&mut self, received: &Received) -> Message {
        let Received { badge, message } = received;
        let request = Request::decode(message);
        match request.and_then(|request| self.serve(*badge, &request, message.capability)) {
            Ok(answer) => answer,
            Err(refusal) => {
                if !message.capability.is_none() {
                    self.mapper.drop(message.capability);
                }
                self.count(refusal);
                refusal.encode()
            }
        }
    }

    fn count(&mut self, refusal: PercpuError) {
        use PercpuError::{Malformed, UnknownRequest};
        self.refused += 1;
        self.malformed += u64::from(matches!(refusal, Malformed(_) | UnknownRequest(_)));
    }

    fn serve(&mut self, badge: u64, request: &Request, capability: Handle) -> Result<Message, PercpuError> {
        match *request {
            Request::Hello { version } => self.hello(badge, version),
            Request::Reserve { bytes, align } => self.reserve(badge, bytes, align),
            Request::Create {
                unit_bytes,
                populate,
                name: _,
            } => self.create(badge, unit_bytes, populate),
            Request::Populate { region, page, count } => self.populate(badge, region, page, count),
            Request::Destroy { region } => self.destroy(badge, region),
            Request::Stats => self.stats(badge),
            Request::Attach {
                badge: new,
                quota_pages,
                static_pages,
            } => {
                self.check_is_init(badge)?;
                self.attach(new, capability, quota_pages, static_pages)
            }
        }
    }

    fn hello(&mut self, badge: u64, version: u64) -> Result<Message, PercpuError> {
        let client = self.clients.find(badge)?;
        if version != PROTOCOL_VERSION {
            return Err(PercpuError::VersionMismatch(PROTOCOL_VERSION));
        }
        let geometry = Geometry {
            version: PROTOCOL_VERSION,
            possible_cpus: self.possible_cpus,
            stride: self.stride,
            quota_pages: client.quota_pages,
            reserved_free: self.pools.reserved().free() as u64,
            reserved_pages: self.pools.reserved().total() as u64,
        };
        Ok(geometry.encode())
    }

    fn reserve(&mut self, badge: u64, bytes: u64, align: u64) -> Result<Message, PercpuError> {
        let pages = self.checked_pages(bytes)?;
        if align > PAGE_SIZE || (align != 0 && !align.is_power_of_two()) {
            return Err(PercpuError::BadAlign);
        }
        // Without a reserved part (one possible CPU), a reservation is an ordinary region.
        let pool = match self.pools.reserved().total() {
            0 => Pool::Dynamic,
            _ => Pool::Reserved,
        };
        self.grant(badge, pages, Some(pool))
    }

    fn create(&mut self, badge: u64, bytes: u64, populate: Populate) -> Result<Message, PercpuError> {
        let pages = self.checked_pages(bytes)?;
        let pool = match populate {
            Populate::None => None,
            Populate::All => Some(Pool::Dynamic),
        };
        self.grant(badge, pages, pool)
    }

    /// A new region; with frames from `backing`, or without any.
    fn grant(&mut self, badge: u64, pages: usize, backing: Option<Pool>) -> Result<Message, PercpuError> {
        let client = self.clients.find(badge)?;
        client.check_quota(if backing.is_some() { pages as u64 } else { 0 })?;
        let id = client.next_id()?;
        let range = client.take_window(pages)?;
        let window = client.window;
        let pieces = match backing {
            Some(pool) => self.back(window, id.encode(), pool, &[range]),
            None => Ok(Vec::new()),
        };
        let client = self.clients.find(badge)?;
        let pieces = pieces.inspect_err(|_| client.give_window_back(range))?;
        client.record(id, Region { range, pieces });
        let grant = Grant {
            region: id,
            offset: range.first as u64 * PAGE_SIZE,
            bytes: pages as u64 * PAGE_SIZE,
        };
        Ok(grant.encode())
    }

    fn populate(&mut self, badge: u64, id: RegionId, page: u64, count: u64) -> Result<Message, PercpuError> {
        let client = self.clients.find(badge)?;
        let region = client.region(id)?;
        let gaps = back::gaps(region, page, count)?;
        let missing: usize = gaps.iter().map(|gap| gap.count).sum();
        client.check_quota(missing as u64)?;
        let window = client.window;
        let pieces = self.back(window, id.encode(), Pool::Dynamic, &gaps)?;
        let recorded = self.clients.find(badge)?.record_pieces(id, &pieces);
        if let Err(refusal) = recorded {
            self.unback(window, &pieces, pieces.len());
            return Err(refusal);
        }
        Ok(Message::default())
    }

    fn destroy(&mut self, badge: u64, id: RegionId) -> Result<Message, PercpuError> {
        let client = self.clients.find(badge)?;
        let window = client.window;
        let region = client.remove(id)?;
        if self.unback(window, &region.pieces, region.pieces.len()) {
            self.clients.find(badge)?.give_window_back(region.range);
        }
        Ok(Message::default())
    }

    fn stats(&mut self, badge: u64) -> Result<Message, PercpuError> {
        if badge != INIT_BADGE {
            self.clients.find(badge)?;
        }
        let stats = Stats {
            clients: self.clients.count() as u64,
            regions: self.clients.regions(),
            reserved_used: self.pools.reserved().used() as u64,
            dynamic_used: self.pools.dynamic_used() as u64,
            refused: self.refused,
            malformed: self.malformed,
        };
        Ok(stats.encode())
    }
}
