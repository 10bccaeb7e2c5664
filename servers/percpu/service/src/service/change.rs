//! Changes of regions that are there.

use abi::Message;
use abi::percpu::map::Kind;
use abi::percpu::{PercpuError, RegionId};

use super::check::range_in;
use super::{Service, back};
use crate::ledger::{Counter, State, Words};
use crate::mapper::Mapper;
use crate::note::Note;
use crate::pools::Pool;

impl<M: Mapper, W: Words> Service<M, W> {
    pub(super) fn populate(
        &mut self,
        badge: u64,
        number: u64,
        id: RegionId,
        page: u64,
        count: u64,
    ) -> Result<Message, PercpuError> {
        let reserved = self.reserved_pool();
        let client = self.owner(badge, id)?;
        let region = client.region(id)?;
        let pool = match region.kind {
            Kind::OnTouch => Pool::OnTouch,
            Kind::Reserved => reserved,
            Kind::Dynamic | Kind::Static => Pool::Dynamic,
        };
        let gaps = back::gaps(region, range_in(region, page, count)?)?;
        let missing: usize = gaps.iter().map(|gap| gap.count).sum();
        if missing == 0 {
            return Ok(Message::default());
        }
        client.check_quota(missing as u64)?;
        let (window, slot) = (client.window, client.slot);
        let pieces = self.take_pieces(pool, &gaps)?;
        let note = Note { number, region: None };
        self.ledger.intend(slot, number);
        let room = self.clients.find(badge)?.room_for_pieces(id, pieces.len());
        let mapped = room.and_then(|()| self.map(window, &pieces, id.encode(), note));
        if let Err(refusal) = mapped {
            self.give_pieces_back(&pieces);
            return Err(refusal);
        }
        let client = self.clients.find(badge)?;
        client.note = note;
        client.record_pieces(id, &pieces);
        Ok(Message::default())
    }

    pub(super) fn depopulate(
        &mut self,
        badge: u64,
        number: u64,
        id: RegionId,
        page: u64,
        count: u64,
    ) -> Result<Message, PercpuError> {
        let client = self.owner(badge, id)?;
        let range = range_in(client.region(id)?, page, count)?;
        let pieces = client.take_pieces(id, range)?;
        if pieces.is_empty() {
            return Ok(Message::default());
        }
        let (window, slot) = (client.window, client.slot);
        let note = Note { number, region: None };
        self.ledger.intend(slot, number);
        let (first, pages) = (range.first as u64, range.count as u64);
        let unmapped = self.mapper.unmap(window, first, pages, note.encode());
        let client = self.clients.find(badge)?;
        if let Err(refusal) = unmapped {
            client.record_pieces(id, &pieces);
            return Err(refusal.into());
        }
        client.note = note;
        self.give_pieces_back(&pieces);
        Ok(Message::default())
    }

    pub(super) fn destroy(&mut self, badge: u64, number: u64, id: RegionId) -> Result<Message, PercpuError> {
        let client = self.owner(badge, id)?;
        let region = client.region(id)?;
        let (range, is_empty) = (region.range, region.populated() == 0);
        let (window, slot, index) = (client.window, client.slot, id.index as usize);
        let note = Note { number, region: None };
        self.ledger.intend(slot, number);
        self.ledger.set_region_state(index, State::Ending);
        let (first, pages) = (range.first as u64, range.count as u64);
        let done = match is_empty {
            true => self.mapper.set_note(window, note.encode()),
            false => self.mapper.unmap(window, first, pages, note.encode()),
        };
        if let Err(refusal) = done {
            self.ledger.set_region_state(index, State::Live);
            return Err(refusal.into());
        }
        let client = self.clients.find(badge)?;
        client.note = note;
        let region = client.remove(id)?;
        self.ledger.record(&client.free_event(id, range, region.kind));
        self.ledger.retire_region(index);
        self.ledger.count(Counter::Destroyed);
        client.give_window_back(range);
        self.give_pieces_back(&region.pieces);
        Ok(Message::default())
    }

    pub(super) fn populated(&mut self, badge: u64, id: RegionId, page: u64) -> Result<Message, PercpuError> {
        let client = self.owner(badge, id)?;
        let range = range_in(client.region(id)?, page, 1)?;
        let window = client.window;
        let [a, b, c, d] = match self.mapper.populated(window, range.first as u64) {
            Ok(mask) => mask,
            Err(refusal) if refusal.status == abi::Status::NotMapped => [0; 4],
            Err(refusal) => return Err(refusal.into()),
        };
        Ok(Message::new(0, [a, b, c, d, 0, 0]))
    }
}
