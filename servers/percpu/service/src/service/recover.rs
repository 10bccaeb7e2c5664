//! A server that follows one that has ended: what the kernel and the ledger say becomes records again.
//!
//! The kernel is believed where both disagree. Whatever was under way has taken effect, or not, as the window's
//! note says; nothing is half done, because every change is one kernel call.

use alloc::vec::Vec;

use abi::percpu::ledger::Window;
use abi::percpu::trace::{Event, EventKind};
use abi::percpu::{PercpuError, RegionId};
use abi::syscall::MemoryKind;
use abi::{Handle, PAGE_SIZE};
use percpu_core::PageRange;

use super::trace::chunk_event;
use super::{STATIC_TAG, Service};
use crate::client::Client;
use crate::clients::MOST_CLIENTS;
use crate::ledger::{Counter, MOST_REGIONS, RegionRecord, State, Words};
use crate::mapper::{Found, Mapped, Mapper, Piece};
use crate::note::Note;
use crate::region::Region;
use crate::room::room;

/// Memory objects by their ids in the kernel.
type Known = Vec<(u64, Handle)>;

impl<M: Mapper, W: Words> Service<M, W> {
    /// Rebuilds the records from the windows that there are.
    ///
    /// # Errors
    /// Room, and refusals of the kernel that have no reason.
    pub fn recover(&mut self, windows: impl Iterator<Item = Window>) -> Result<(), PercpuError> {
        if !self.ledger.open() {
            return Ok(());
        }
        self.ledger.count(Counter::Restarts);
        self.trace_start();
        let mut known = self.first_chunk_ids()?;
        for Window { badge, window } in windows {
            let slot = (0..MOST_CLIENTS).find(|slot| {
                let record = self.ledger.client(*slot);
                record.state != State::Free && record.badge == badge && self.clients.in_slot(*slot).is_none()
            });
            let adopted = match slot {
                Some(slot) => self.adopt(slot, window, &mut known)?,
                None => false,
            };
            if !adopted {
                // Nothing of it may be in use any more when its pages are given to others.
                if self.mapper.query(window, 0)? == Found::Ended {
                    self.mapper.wait_for_end(window)?;
                }
                self.mapper.drop(window);
            }
        }
        for slot in 0..MOST_CLIENTS {
            if self.ledger.client(slot).state != State::Free && self.clients.in_slot(slot).is_none() {
                self.forget(slot);
            }
        }
        self.drain();
        Ok(())
    }

    fn first_chunk_ids(&mut self) -> Result<Known, PercpuError> {
        let mut known = Known::new();
        let stocks = [self.pools.reserved.memory(), self.pools.dynamic.first()];
        for memory in stocks.into_iter().filter(|memory| !memory.is_none()) {
            room(&mut known, 1, MOST_REGIONS)?;
            known.push((self.mapper.memory_info(memory)?.id, memory));
        }
        Ok(known)
    }

    /// Makes a window's client again; not if it has ended, or was never attached.
    fn adopt(&mut self, slot: usize, window: Handle, known: &mut Known) -> Result<bool, PercpuError> {
        let record = self.ledger.client(slot);
        let Some((ranges, note)) = self.ranges_of(window)? else {
            return Ok(false);
        };
        if record.state.settle(note != Note::default()) == State::Free {
            return Ok(false);
        }
        let units = self.units(record.static_pages);
        let mut client = Client::new(record.badge, slot, window, record.quota_pages, units)?;
        client.attached_by = record.attached_by;
        client.name = record.name;
        client.note = note;
        for index in slot * MOST_REGIONS..(slot + 1) * MOST_REGIONS {
            self.restore_region(&mut client, index, record.intent == note.number)?;
        }
        let mut is_alive = true;
        for mapped in ranges {
            is_alive = is_alive && self.restore_pages(&mut client, &mapped, known)?;
        }
        if !is_alive || self.mapper.on_death(window, 1 << slot).is_err() {
            client
                .into_pieces()
                .for_each(|piece| self.pools.give_back(piece.run()));
            return Ok(false);
        }
        if record.state == State::Making {
            self.ledger.record_once(&client.static_event());
        }
        self.ledger.set_client_state(slot, State::Live);
        self.clients.put(slot, client);
        Ok(true)
    }

    /// Everything that the kernel knows in a window; none when its process has ended.
    fn ranges_of(&mut self, window: Handle) -> Result<Option<(Vec<Mapped>, Note)>, PercpuError> {
        let mut ranges = Vec::new();
        let mut page = 0;
        loop {
            match self.mapper.query(window, page)? {
                Found::Ended => return Ok(None),
                Found::Nothing(note) => return Ok(Some((ranges, Note::decode(note)))),
                Found::Range(mapped, _) => {
                    room(&mut ranges, 1, MOST_REGIONS)?;
                    page = mapped.window_page + mapped.pages;
                    ranges.push(mapped);
                }
            }
        }
    }

    /// A region by its record in the ledger, settled; one that cannot be is dropped.
    fn restore_region(
        &mut self,
        client: &mut Client,
        index: usize,
        has_happened: bool,
    ) -> Result<(), PercpuError> {
        let record = self.ledger.region(index);
        let state = record.state.settle(has_happened);
        let id = RegionId {
            index: index as u32,
            generation: record.generation,
        };
        let is_whole = state == State::Live && client.take_window_at(extent(&record)).is_ok();
        match (record.state, state, is_whole) {
            (State::Free, ..) => {}
            (.., true) => {
                if record.state == State::Making {
                    let (event, bytes) = (
                        client.event(EventKind::Alloc),
                        u64::from(record.pages) * PAGE_SIZE,
                    );
                    self.ledger.record_once(&Event {
                        request: record.request(),
                        pool: record.kind as u8,
                        region: id.encode(),
                        bytes,
                        offset: u64::from(record.first) * PAGE_SIZE,
                        more: bytes,
                        ..event
                    });
                }
                self.ledger.set_region_state(index, State::Live);
                client.restore_slot(id)?;
                let (range, kind, name) = (extent(&record), record.kind, record.name);
                let pieces = Vec::new();
                client.record(
                    id,
                    Region {
                        range,
                        kind,
                        name,
                        pieces,
                    },
                );
            }
            // It has never been: its id was never told to anyone.
            (State::Making, State::Free, _) => self.ledger.set_region_state(index, State::Free),
            (before, ..) => {
                if before == State::Ending {
                    self.ledger
                        .record_once(&client.free_event(id, extent(&record), record.kind));
                }
                self.ledger.retire_region(index);
            }
        }
        Ok(())
    }

    /// Pages of a window become their owner's again, and their memory a stock. False when the process has ended
    /// meanwhile.
    fn restore_pages(
        &mut self,
        client: &mut Client,
        mapped: &Mapped,
        known: &mut Known,
    ) -> Result<bool, PercpuError> {
        let id = RegionId::decode(mapped.tag);
        let is_static = mapped.tag == STATIC_TAG;
        let is_of_region = client.region(id).is_ok_and(|region| {
            let (first, end) = (
                region.range.first as u64,
                (region.range.first + region.range.count) as u64,
            );
            first <= mapped.window_page && mapped.window_page + mapped.pages <= end
        });
        if !is_static && !is_of_region {
            let note = client.note.encode();
            let unmapped = self
                .mapper
                .unmap(client.window, mapped.window_page, mapped.pages, note);
            return Ok(unmapped.is_ok());
        }
        let Some(memory) = self.memory_of(client.window, mapped, known)? else {
            return Ok(false);
        };
        let piece = Piece {
            memory,
            memory_page: mapped.memory_page,
            window_page: mapped.window_page,
            pages: mapped.pages,
        };
        self.pools.take_at(piece.run())?;
        if is_static {
            room(&mut client.statics, 1, MOST_REGIONS)?;
            client.statics.push(piece);
        } else {
            client.room_for_pieces(id, 1)?;
            client.record_pieces(id, &[piece]);
        }
        Ok(true)
    }

    fn memory_of(
        &mut self,
        window: Handle,
        mapped: &Mapped,
        known: &mut Known,
    ) -> Result<Option<Handle>, PercpuError> {
        if let Some((_, memory)) = known.iter().find(|(id, _)| *id == mapped.memory_id) {
            return Ok(Some(*memory));
        }
        let Ok(memory) = self.mapper.memory_at(window, mapped.window_page) else {
            return Ok(None);
        };
        let info = self.mapper.memory_info(memory)?;
        room(known, 1, MOST_REGIONS)?;
        self.pools.adopt(memory, info.kind, info.pages as usize)?;
        let is_on_touch = info.kind == MemoryKind::PerCpuOnTouch;
        let event = chunk_event(EventKind::CreateChunk, memory, info.pages, is_on_touch);
        self.ledger.record(&event);
        known.push((info.id, memory));
        Ok(Some(memory))
    }
}

/// A record's pages of the window.
fn extent(record: &RegionRecord) -> PageRange {
    PageRange {
        first: record.first as usize,
        count: record.pages as usize,
    }
}
