//! The trace (O5): each grant, each end of a region, each refusal of a change and each memory object is an event in the
//! ledger, so that the next server can tell of what the last one did. What a region's or a client's record waits for is
//! traced just before it, and by the next server if this one ends in between: once, therefore.
//!
//! Messages that are no requests are only counted, and without the lock: nobody washes the trace away with them.

use abi::percpu::map::Kind;
use abi::percpu::trace::{EVENT_WORDS, Event, EventKind, NOWHERE};
use abi::percpu::{PercpuError, Populate, RegionId, Request, may_observe, name_words};
use abi::{Handle, PAGE_SIZE};
use percpu_core::PageRange;

use super::{STATIC_TAG, Service, Sheet};
use crate::client::Client;
use crate::ledger::{Counter, Ledger, MOST_REGIONS, State, Words};
use crate::mapper::{Chunks, KernelRefusal, Mapper};

/// The kernel, and that memory objects are traced.
pub(super) struct Traced<'a, M, W> {
    pub mapper: &'a mut M,
    pub ledger: &'a mut Ledger<W>,
}

impl<M: Mapper, W: Words> Chunks for Traced<'_, M, W> {
    fn create(&mut self, pages: u64, is_on_touch: bool) -> Result<Handle, KernelRefusal> {
        let memory = self.mapper.create(pages, is_on_touch)?;
        let event = chunk_event(EventKind::CreateChunk, memory, pages, is_on_touch);
        self.ledger.record(&event);
        Ok(memory)
    }

    fn destroy(&mut self, memory: Handle, pages: usize, is_on_touch: bool) {
        let event = chunk_event(EventKind::DestroyChunk, memory, pages as u64, is_on_touch);
        self.ledger.record(&event);
        self.mapper.drop(memory);
    }
}

impl<M: Mapper, W: Words> Service<M, W> {
    /// Writes events from this number on, or from the first that is still there: as many as there is room for. The number of the
    /// first one, how many they are, and the number of the event that comes next.
    ///
    /// # Errors
    /// [`PercpuError::NotPermitted`].
    pub fn trace_to(&self, badge: u64, from: u64, sheet: &mut impl Sheet) -> Result<[u64; 3], PercpuError> {
        if !may_observe(badge) {
            return Err(PercpuError::NotPermitted);
        }
        let there = self.ledger.events();
        let first = from.clamp(there.start, there.end);
        let rows = (first..there.end).zip((0..).step_by(EVENT_WORDS));
        let mut written = 0;
        for (sequence, at) in rows.take(sheet.words() / EVENT_WORDS) {
            let event = self.ledger.event(sequence).encode();
            for (word, to) in event.into_iter().zip(at..) {
                sheet.write(to, word);
            }
            written += 1;
        }
        Ok([first, written, there.end])
    }

    /// A refused request that would have changed something about memory.
    #[cold]
    pub(super) fn trace_refusal(&mut self, badge: u64, request: &Request, refusal: PercpuError) {
        let pages = |count: u64| count.saturating_mul(PAGE_SIZE);
        let client = self.clients.find(badge).ok();
        let mut event = Event {
            kind: EventKind::AllocFail as u8,
            request: request.label() as u8,
            badge,
            name: client.map_or([0; 2], |client| client.name),
            ..Event::default()
        };
        match *request {
            Request::Reserve { bytes, align, .. } => {
                (event.bytes, event.align, event.pool) = (bytes, align, Kind::Reserved as u8);
            }
            Request::Create {
                unit_bytes, populate, ..
            } => {
                event.bytes = unit_bytes;
                event.pool = match populate {
                    Populate::OnTouch => Kind::OnTouch as u8,
                    Populate::None | Populate::All => Kind::Dynamic as u8,
                };
            }
            Request::Populate { region, count, .. } | Request::Depopulate { region, count, .. } => {
                (event.region, event.bytes) = (region.encode(), pages(count));
            }
            Request::Destroy { region } => event.region = region.encode(),
            Request::Attach {
                badge,
                static_pages,
                name,
                ..
            } => {
                (event.badge, event.name) = (badge, name_words(&name));
                (event.region, event.bytes) = (STATIC_TAG, pages(static_pages));
            }
            _ => return,
        }
        let answer = refusal.encode();
        event.refusal = answer.label as u8;
        [event.offset, event.more, ..] = answer.words;
        self.ledger.record(&event);
    }

    /// The client of a slot has ended; its records are still there.
    pub(super) fn trace_end(&mut self, slot: usize) {
        let record = self.ledger.client(slot);
        if record.state == State::Making {
            return;
        }
        let regions = (slot * MOST_REGIONS..(slot + 1) * MOST_REGIONS).map(|index| self.ledger.region(index));
        let (mut count, mut pages) = (0, 0);
        for region in regions.filter(|region| region.state != State::Free) {
            count += 1;
            pages += u64::from(region.pages);
        }
        self.ledger.record_once(&Event {
            kind: EventKind::ClientEnd as u8,
            badge: record.badge,
            name: record.name,
            bytes: pages * PAGE_SIZE,
            more: count,
            ..Event::default()
        });
    }

    /// This server follows another one.
    pub(super) fn trace_start(&mut self) {
        self.ledger.record(&Event {
            kind: EventKind::ServerStart as u8,
            region: self.ledger.counter(Counter::Restarts),
            ..Event::default()
        });
    }

    /// Gives everything back to the kernel that is not used. How many pages.
    pub(super) fn drain(&mut self) -> usize {
        self.pools.drain(&mut Traced {
            mapper: &mut self.mapper,
            ledger: &mut self.ledger,
        })
    }
}

impl Client {
    /// An event about it.
    #[inline(always)]
    pub(super) fn event(&self, kind: EventKind) -> Event {
        Event {
            kind: kind as u8,
            badge: self.badge,
            name: self.name,
            ..Event::default()
        }
    }

    /// It has its static part.
    pub(super) fn static_event(&self) -> Event {
        let bytes = self.statics.iter().map(|piece| piece.pages).sum::<u64>() * PAGE_SIZE;
        Event {
            request: abi::percpu::number::ATTACH as u8,
            pool: Kind::Static as u8,
            region: STATIC_TAG,
            bytes,
            offset: abi::window::STATIC_FIRST_PAGE * PAGE_SIZE,
            more: bytes,
            ..self.event(EventKind::Alloc)
        }
    }

    /// A region of its is destroyed.
    #[inline(always)]
    pub(super) fn free_event(&self, id: RegionId, range: PageRange, kind: Kind) -> Event {
        Event {
            request: abi::percpu::number::DESTROY as u8,
            pool: kind as u8,
            region: id.encode(),
            offset: range.first as u64 * PAGE_SIZE,
            more: range.count as u64 * PAGE_SIZE,
            ..self.event(EventKind::Free)
        }
    }
}

/// Memory is made, or given back.
pub(super) fn chunk_event(kind: EventKind, memory: Handle, pages: u64, is_on_touch: bool) -> Event {
    let bytes = pages * PAGE_SIZE;
    let pool = match is_on_touch {
        true => Kind::OnTouch,
        false => Kind::Dynamic,
    };
    Event {
        kind: kind as u8,
        pool: pool as u8,
        region: memory.0,
        bytes,
        offset: NOWHERE,
        more: bytes,
        ..Event::default()
    }
}
