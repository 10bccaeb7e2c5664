//! New regions.

use alloc::vec::Vec;

use abi::Message;
use abi::percpu::map::Kind;
use abi::percpu::trace::{Event, EventKind};
use abi::percpu::{Name, PercpuError};

use super::Service;
use super::check::grant_of;
use crate::ledger::{Counter, RegionRecord, State, Words};
use crate::mapper::Mapper;
use crate::note::Note;
use crate::pools::Pool;
use crate::region::Region;

/// A region that is asked for.
pub(super) struct Ask {
    /// Bytes of it that were asked for.
    pub bytes: u64,
    /// The alignment that was asked for.
    pub align: u64,
    /// Its pages.
    pub pages: usize,
    /// Where their frames come from; none for a range without frames.
    pub pool: Option<Pool>,
    /// What they are.
    pub kind: Kind,
    /// For people.
    pub name: Name,
}

impl<M: Mapper, W: Words> Service<M, W> {
    /// A new region.
    pub(super) fn grant(&mut self, badge: u64, number: u64, ask: Ask) -> Result<Message, PercpuError> {
        let Ask {
            pages,
            pool,
            kind,
            name,
            ..
        } = ask;
        let ledger = &self.ledger;
        let client = self.clients.find(badge)?;
        client.check_quota(if pool.is_some() { pages as u64 } else { 0 })?;
        let id = client.next_id(|index| ledger.region_head(index).1)?;
        let range = client.take_window(pages)?;
        let (window, slot, event) = (client.window, client.slot, client.event(EventKind::Alloc));
        let pieces = match pool {
            Some(pool) => self.take_pieces(pool, &[range]),
            None => Ok(Vec::new()),
        };
        let pieces = match pieces {
            Ok(pieces) => pieces,
            Err(refusal) => {
                self.clients.find(badge)?.give_window_back(range);
                return Err(refusal);
            }
        };
        self.ledger.intend(slot, number);
        let record = RegionRecord {
            state: State::Making,
            generation: id.generation,
            kind,
            first: range.first as u32,
            pages: pages as u32,
            name,
        };
        self.ledger.set_region(id.index as usize, &record);
        let note = Note {
            number,
            region: Some(id.index),
        };
        if let Err(refusal) = self.map(window, &pieces, id.encode(), note) {
            self.ledger.set_region_state(id.index as usize, State::Free);
            self.give_pieces_back(&pieces);
            self.clients.find(badge)?.give_window_back(range);
            return Err(refusal);
        }
        let granted = grant_of(id, range);
        self.ledger.record(&Event {
            request: record.request(),
            pool: kind as u8,
            region: id.encode(),
            bytes: ask.bytes,
            align: ask.align,
            offset: granted.offset,
            more: granted.bytes,
            ..event
        });
        self.ledger.set_region_state(id.index as usize, State::Live);
        let client = self.clients.find(badge)?;
        client.note = note;
        client.record(
            id,
            Region {
                range,
                kind,
                name,
                pieces,
            },
        );
        self.count_grant(pages as u64);
        Ok(granted.encode())
    }

    fn count_grant(&mut self, pages: u64) {
        self.ledger.count(Counter::Granted);
        let smallest = self.ledger.counter(Counter::Smallest);
        if smallest == 0 || pages < smallest {
            self.ledger.set_counter(Counter::Smallest, pages);
        }
        self.ledger.raise(Counter::Largest, pages);
        self.ledger.raise(Counter::MostRegions, self.clients.regions());
        let stocks = self.pools.dynamic.count() + self.pools.on_touch.count();
        self.ledger.raise(Counter::MostStocks, stocks as u64);
    }
}
