//! The server without its threads: what it has, and which request is for whom.

use abi::percpu::map::Kind;
use abi::percpu::{Geometry, INIT_BADGE, Numbered, PROTOCOL_VERSION, PercpuError, Populate, Request, Stats};
use abi::{Handle, Message, Received, Status};

use crate::clients::Clients;
use crate::ledger::{Counter, Ledger, Words};
use crate::mapper::Mapper;
use crate::pools::{Pool, Pools};
use crate::stock::Stock;

mod attach;
mod back;
mod balance;
mod bury;
mod change;
mod check;
mod chunks;
mod cpus;
mod grant;
mod map;
mod recover;
mod trace;

pub use balance::{Chore, Done};
pub use cpus::Change;
pub use map::Sheet;

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
pub struct Service<M, W> {
    mapper: M,
    pools: Pools,
    clients: Clients,
    ledger: Ledger<W>,
    possible_cpus: u64,
    stride: u64,
    /// A chore is under way.
    is_busy: bool,
    /// Somebody waits for it.
    is_awaited: bool,
}

impl<M: Mapper, W: Words> Service<M, W> {
    /// A service without clients. With a ledger that was in use before, [`Service::recover`] comes next.
    ///
    /// # Errors
    /// [`PercpuError::ServerFull`] when the first chunk is too large for the server's own memory.
    pub fn new(chunk: FirstChunk, mapper: M, words: W) -> Result<Service<M, W>, PercpuError> {
        let reserved = Stock::new(chunk.reserved, chunk.reserved_pages as usize, false)?;
        let dynamic = Stock::new(chunk.dynamic, chunk.dynamic_pages as usize, false)?;
        Ok(Service {
            mapper,
            pools: Pools::new(reserved, dynamic, chunk.possible_cpus)?,
            clients: Clients::new()?,
            ledger: Ledger(words),
            possible_cpus: chunk.possible_cpus,
            stride: chunk.stride,
            is_busy: false,
            is_awaited: false,
        })
    }

    /// Answers one message, whatever it is; otherwise as [`Service::answer_request`].
    pub fn answer(&mut self, received: &Received) -> Option<Message> {
        let Received { badge, message } = received;
        match Request::decode(message) {
            Ok(request) => self.answer_request(*badge, &request, message.capability),
            Err(refusal) => Some(self.refuse_with(refusal, message.capability)),
        }
    }

    /// Answers a message that has been decoded. A capability that came with a refused one is dropped, so nobody
    /// can fill the server's table.
    ///
    /// None when nothing is left for it but what a chore has in hand: it is to be asked again when that is settled, and until
    /// it is there are no other chores.
    pub fn answer_request(&mut self, badge: u64, request: &Numbered, capability: Handle) -> Option<Message> {
        self.is_awaited = false;
        match self.serve(badge, request, capability) {
            Ok(answer) => Some(answer),
            Err(PercpuError::NodeExhausted(_)) if self.is_busy => {
                self.is_awaited = true;
                None
            }
            Err(refusal) => {
                self.trace_refusal(badge, &request.request, refusal);
                Some(self.refuse_with(refusal, capability))
            }
        }
    }

    fn refuse_with(&mut self, refusal: PercpuError, capability: Handle) -> Message {
        if !capability.is_none() {
            self.mapper.drop(capability);
        }
        self.refuse(refusal)
    }

    /// Whether there is a client with this badge, or it is init's.
    pub fn knows(&mut self, badge: u64) -> bool {
        badge == INIT_BADGE || self.clients.find(badge).is_ok()
    }

    /// The answer that refuses, counted.
    pub fn refuse(&mut self, refusal: PercpuError) -> Message {
        use PercpuError::{Malformed, UnknownRequest};
        self.ledger.count(Counter::Refused);
        if matches!(refusal, Malformed(_) | UnknownRequest(_)) {
            self.ledger.count(Counter::Malformed);
        }
        refusal.encode()
    }

    fn serve(&mut self, badge: u64, request: &Numbered, capability: Handle) -> Result<Message, PercpuError> {
        let Numbered { request, number } = *request;
        if let Some(answer) = self.answer_again(badge, &request, number)? {
            return Ok(answer);
        }
        match request {
            Request::Hello { version } => self.hello(badge, version),
            Request::Reserve { bytes, align, name } => {
                let pages = self.checked_pages(bytes)?;
                check::alignment(align)?;
                let ask = grant::Ask {
                    bytes,
                    align,
                    pages,
                    pool: Some(self.reserved_pool()),
                    kind: Kind::Reserved,
                    name,
                };
                self.grant(badge, number, ask)
            }
            Request::Create {
                unit_bytes,
                populate,
                name,
            } => {
                let pages = self.checked_pages(unit_bytes)?;
                let (pool, kind) = match populate {
                    Populate::None => (None, Kind::Dynamic),
                    Populate::All => (Some(Pool::Dynamic), Kind::Dynamic),
                    Populate::OnTouch => (Some(Pool::OnTouch), Kind::OnTouch),
                };
                let ask = grant::Ask {
                    bytes: unit_bytes,
                    align: 0,
                    pages,
                    pool,
                    kind,
                    name,
                };
                self.grant(badge, number, ask)
            }
            Request::Populate { region, page, count } => self.populate(badge, number, region, page, count),
            Request::Depopulate { region, page, count } => {
                self.depopulate(badge, number, region, page, count)
            }
            Request::Destroy { region } => self.destroy(badge, number, region),
            Request::Stats => self.stats(badge),
            Request::Populated { region, page } => self.populated(badge, region, page),
            // Whoever has the memory mapped serves these, with `answer`, `map_to` and `trace_to`.
            Request::Batch { .. } | Request::Map | Request::Trace { .. } => Err(PercpuError::BadBuffer(0)),
            // Whoever holds the machine serves these.
            Request::CpuOnline { .. } | Request::CpuOffline { .. } => {
                self.check_is_init(badge)?;
                Err(PercpuError::CpuRefused(Status::UnknownCall as u64))
            }
            Request::Attach { .. } | Request::SetQuota { .. } | Request::Drain => {
                self.check_is_init(badge)?;
                self.serve_init(&request, number, capability)
            }
        }
    }

    fn serve_init(&mut self, request: &Request, number: u64, window: Handle) -> Result<Message, PercpuError> {
        match *request {
            Request::Attach {
                badge,
                quota_pages,
                static_pages,
                name,
            } => self.attach(
                number,
                attach::Newcomer {
                    badge,
                    window,
                    quota_pages,
                    static_pages,
                    name,
                },
            ),
            Request::SetQuota { badge, quota_pages } => {
                let client = self.clients.find(badge)?;
                client.quota_pages = quota_pages;
                self.ledger.set_quota(client.slot, quota_pages);
                Ok(Message::default())
            }
            _ => {
                let pages = self.drain() as u64;
                self.pools.is_at_rest = true;
                Ok(Message::new(0, [pages, 0, 0, 0, 0, 0]))
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
            reserved_free: self.pools.reserved.free() as u64,
            reserved_pages: self.pools.reserved.total() as u64,
        };
        Ok(geometry.encode())
    }

    /// Without a reserved part (one possible CPU), a reservation is an ordinary region.
    fn reserved_pool(&self) -> Pool {
        match self.pools.reserved.total() {
            0 => Pool::Dynamic,
            _ => Pool::Reserved,
        }
    }

    fn stats(&mut self, badge: u64) -> Result<Message, PercpuError> {
        if badge != INIT_BADGE {
            self.clients.find(badge)?;
        }
        let stats = Stats {
            clients: self.clients.count() as u64,
            regions: self.clients.regions(),
            reserved_used: self.pools.reserved.used() as u64,
            dynamic_used: self.pools.used() as u64,
            refused: self.ledger.counter(Counter::Refused),
            malformed: self.ledger.counter(Counter::Malformed),
        };
        Ok(stats.encode())
    }
}
