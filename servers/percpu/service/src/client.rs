//! One client: its window, its quota, and its regions.

use alloc::vec::Vec;
use core::cmp::Ordering;

use abi::Handle;
use abi::percpu::{PercpuError, RegionId};
use percpu_core::{PageNeed, PageRange};

use crate::ledger::MOST_REGIONS;
use crate::mapper::Piece;
use crate::note::Note;
use crate::region::Region;
use crate::room::{Pages, pages, room};

/// A place for a region. Its generation is the one of the region that is there, or of the next one.
#[derive(Debug)]
struct Slot {
    generation: u32,
    region: Option<Region>,
}

/// A program with a window.
#[derive(Debug)]
pub struct Client {
    /// Who it is.
    pub badge: u64,
    /// What it is called.
    pub name: [u64; 2],
    /// Its place among the clients.
    pub slot: usize,
    /// The capability of its window.
    pub window: Handle,
    /// Pages per unit that it may hold.
    pub quota_pages: u64,
    /// The last request that took effect.
    pub note: Note,
    /// The number of init's request that attached it.
    pub attached_by: u64,
    /// Its static part.
    pub statics: Vec<Piece>,
    /// Pages per unit that it holds, beside its static part.
    used_pages: u64,
    /// All pages of a unit of its window; the header page is taken from the start.
    window_pages: Pages,
    slots: Vec<Slot>,
    regions: u64,
}

impl Client {
    /// A client without regions, in whose window the header page and the static part are taken.
    pub fn new(
        badge: u64,
        slot: usize,
        window: Handle,
        quota_pages: u64,
        units: Window,
    ) -> Result<Client, PercpuError> {
        let mut window_pages = pages(units.pages, MOST_REGIONS)?;
        let taken = PageRange {
            first: 0,
            count: units.static_end,
        };
        window_pages
            .allocate_at(taken)
            .map_err(|_| PercpuError::WindowFull)?;
        Ok(Client {
            badge,
            name: [0; 2],
            slot,
            window,
            quota_pages,
            note: Note::default(),
            attached_by: 0,
            statics: Vec::new(),
            used_pages: 0,
            window_pages,
            slots: Vec::new(),
            regions: 0,
        })
    }

    /// Its regions, with their ids.
    pub fn regions(&self) -> impl Iterator<Item = (RegionId, &Region)> {
        let base = self.slot * MOST_REGIONS;
        let slots = self.slots.iter().enumerate();
        slots.filter_map(move |(index, slot)| {
            let id = RegionId {
                index: (base + index) as u32,
                generation: slot.generation,
            };
            Some((id, slot.region.as_ref()?))
        })
    }

    /// The pages of its window.
    pub fn window_pages(&self) -> &Pages {
        &self.window_pages
    }

    /// How many regions.
    pub fn region_count(&self) -> u64 {
        self.regions
    }

    /// Pages that it holds, its static part among them.
    pub fn held(&self) -> u64 {
        self.used_pages + self.statics.iter().map(|piece| piece.pages).sum::<u64>()
    }

    /// Everything of its window that has frames. Its records are gone with it.
    pub fn into_pieces(self) -> impl Iterator<Item = Piece> {
        let regions = self.slots.into_iter().filter_map(|slot| slot.region);
        self.statics
            .into_iter()
            .chain(regions.flat_map(|region| region.pieces))
    }

    /// Whether the quota allows for so many pages more.
    pub fn check_quota(&self, more: u64) -> Result<(), PercpuError> {
        let (limit, used) = (self.quota_pages, self.used_pages);
        match used.checked_add(more) {
            Some(sum) if more == 0 || sum <= limit => Ok(()),
            _ => Err(PercpuError::QuotaExceeded { limit, used }),
        }
    }

    /// The id that the next region will have, with room for it. `generation_at` tells the generation of a place
    /// that was not used since this client came.
    pub fn next_id(&mut self, generation_at: impl Fn(usize) -> u32) -> Result<RegionId, PercpuError> {
        let is_free = |slot: &Slot| slot.region.is_none() && slot.generation < u32::MAX;
        loop {
            if let Some(index) = self.slots.iter().position(is_free) {
                let generation = self.slots[index].generation;
                let index = (self.slot * MOST_REGIONS + index) as u32;
                return Ok(RegionId { index, generation });
            }
            self.add_slot(&generation_at)?;
        }
    }

    fn add_slot(&mut self, generation_at: impl Fn(usize) -> u32) -> Result<(), PercpuError> {
        if self.slots.len() == MOST_REGIONS {
            return Err(PercpuError::ServerFull(MOST_REGIONS as u64));
        }
        room(&mut self.slots, 1, MOST_REGIONS)?;
        let generation = generation_at(self.slot * MOST_REGIONS + self.slots.len());
        self.slots.push(Slot {
            generation,
            region: None,
        });
        Ok(())
    }

    /// Makes the place of an id its own, as a server before this one had it.
    pub fn restore_slot(&mut self, id: RegionId) -> Result<(), PercpuError> {
        let local = self.local(id).ok_or(PercpuError::NoSuchRegion)?;
        while self.slots.len() <= local {
            self.add_slot(|_| 1)?;
        }
        self.slots[local].generation = id.generation;
        Ok(())
    }

    /// Takes pages of the window for a region.
    pub fn take_window(&mut self, count: usize) -> Result<PageRange, PercpuError> {
        let need = PageNeed {
            count,
            align_pages: 1,
        };
        self.window_pages
            .allocate(need)
            .map_err(|_| PercpuError::WindowFull)
    }

    /// Takes just these pages of the window.
    pub fn take_window_at(&mut self, range: PageRange) -> Result<(), PercpuError> {
        self.window_pages
            .allocate_at(range)
            .map_err(|_| PercpuError::WindowFull)
    }

    /// Takes pages of the window back.
    pub fn give_window_back(&mut self, range: PageRange) {
        let given = self.window_pages.free(range);
        given.expect("a region's pages of the window were taken");
    }

    /// Records a region under the id that `next_id` gave.
    pub fn record(&mut self, id: RegionId, region: Region) {
        self.used_pages += region.populated();
        self.regions += 1;
        let local = id.index as usize % MOST_REGIONS;
        self.slots[local].region = Some(region);
    }

    /// Room for so many pieces more of a region.
    pub fn room_for_pieces(&mut self, id: RegionId, count: usize) -> Result<(), PercpuError> {
        room(&mut self.region_mut(id)?.pieces, count, MOST_REGIONS)
    }

    /// Records pages that a region got.
    pub fn record_pieces(&mut self, id: RegionId, pieces: &[Piece]) {
        if let Ok(region) = self.region_mut(id) {
            region.pieces.extend_from_slice(pieces);
            self.used_pages += pieces.iter().map(|piece| piece.pages).sum::<u64>();
        }
    }

    /// Takes pages out of a region's record.
    pub fn take_pieces(&mut self, id: RegionId, range: PageRange) -> Result<Vec<Piece>, PercpuError> {
        let out = self.region_mut(id)?.take_out(range)?;
        self.used_pages -= out.iter().map(|piece| piece.pages).sum::<u64>();
        Ok(out)
    }

    /// The place of an id in this client's list, if it is this client's.
    fn local(&self, id: RegionId) -> Option<usize> {
        let index = id.index as usize;
        (index / MOST_REGIONS == self.slot).then_some(index % MOST_REGIONS)
    }

    /// The region with this id, or why there is none.
    pub fn region(&self, id: RegionId) -> Result<&Region, PercpuError> {
        let slot = self.local(id).and_then(|local| self.slots.get(local));
        let slot = slot.ok_or(PercpuError::NoSuchRegion)?;
        match (&slot.region, id.generation.cmp(&slot.generation)) {
            (Some(region), Ordering::Equal) => Ok(region),
            (_, Ordering::Less) if id.generation > 0 => Err(PercpuError::StaleGeneration),
            _ => Err(PercpuError::NoSuchRegion),
        }
    }

    /// The id of the region in a place, and the region.
    pub fn region_at(&self, index: u32) -> Option<(RegionId, &Region)> {
        self.regions().find(|(id, _)| id.index == index)
    }

    fn region_mut(&mut self, id: RegionId) -> Result<&mut Region, PercpuError> {
        self.region(id)?;
        let local = id.index as usize % MOST_REGIONS;
        let slot = self.slots.get_mut(local);
        slot.and_then(|slot| slot.region.as_mut())
            .ok_or(PercpuError::NoSuchRegion)
    }

    /// Takes a region out of the records: its id is stale from now on. Its pages of the window stay taken.
    pub fn remove(&mut self, id: RegionId) -> Result<Region, PercpuError> {
        self.region(id)?;
        let slot = &mut self.slots[id.index as usize % MOST_REGIONS];
        let region = slot.region.take().ok_or(PercpuError::NoSuchRegion)?;
        slot.generation += 1;
        self.used_pages -= region.populated();
        self.regions -= 1;
        Ok(region)
    }
}

/// The pages of a unit of a client's window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// Pages in all, the header page among them.
    pub pages: usize,
    /// The first page behind the static part.
    pub static_end: usize,
}
