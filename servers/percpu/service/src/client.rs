//! One client: its window, its quota, and its regions.

use alloc::vec::Vec;

use abi::Handle;
use abi::percpu::{PercpuError, RegionId};
use percpu_core::{PageNeed, PageRange};

use crate::mapper::Piece;
use crate::room::{Pages, pages, room};

/// Most regions of one client.
pub const MOST_REGIONS: usize = 1024;

/// A range of pages in every unit of a client's window.
#[derive(Debug)]
pub struct Region {
    /// Pages of the window.
    pub range: PageRange,
    /// The pages that have frames, in no order.
    pub pieces: Vec<Piece>,
}

impl Region {
    /// Pages with frames.
    pub fn populated(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.pages).sum()
    }
}

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
    /// The capability of its window.
    pub window: Handle,
    /// Pages per unit that it may hold.
    pub quota_pages: u64,
    /// Pages per unit that it holds, beside its static part.
    used_pages: u64,
    /// All pages of a unit of its window; the header page is taken from the start.
    window_pages: Pages,
    slots: Vec<Slot>,
    regions: u64,
}

impl Client {
    /// A client without regions, in whose window the header page and the static part are taken.
    pub fn new(badge: u64, window: Handle, quota_pages: u64, units: Window) -> Result<Client, PercpuError> {
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
            window,
            quota_pages,
            used_pages: 0,
            window_pages,
            slots: Vec::new(),
            regions: 0,
        })
    }

    /// Its regions.
    pub fn regions(&self) -> u64 {
        self.regions
    }

    /// Whether the quota allows for so many pages more.
    pub fn check_quota(&self, more: u64) -> Result<(), PercpuError> {
        let (limit, used) = (self.quota_pages, self.used_pages);
        match used.checked_add(more) {
            Some(sum) if sum <= limit => Ok(()),
            _ => Err(PercpuError::QuotaExceeded { limit, used }),
        }
    }

    /// The id that the next region will have, with room for it.
    pub fn next_id(&mut self) -> Result<RegionId, PercpuError> {
        let is_free = |slot: &Slot| slot.region.is_none() && slot.generation < u32::MAX;
        let index = match self.slots.iter().position(is_free) {
            Some(index) => index,
            None if self.slots.len() == MOST_REGIONS => {
                return Err(PercpuError::ServerFull(MOST_REGIONS as u64));
            }
            None => {
                room(&mut self.slots, 1, MOST_REGIONS)?;
                self.slots.push(Slot {
                    generation: 1,
                    region: None,
                });
                self.slots.len() - 1
            }
        };
        let generation = self.slots[index].generation;
        Ok(RegionId {
            index: index as u32,
            generation,
        })
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

    /// Takes pages of the window back.
    pub fn give_window_back(&mut self, range: PageRange) {
        let given = self.window_pages.free(range);
        given.expect("a region's pages of the window were taken");
    }

    /// Records a region under the id that `next_id` gave.
    pub fn record(&mut self, id: RegionId, region: Region) {
        self.used_pages += region.populated();
        self.regions += 1;
        self.slots[id.index as usize].region = Some(region);
    }

    /// Records pages that a region got.
    pub fn record_pieces(&mut self, id: RegionId, pieces: &[Piece]) -> Result<(), PercpuError> {
        let region = self.region_mut(id)?;
        room(&mut region.pieces, pieces.len(), MOST_REGIONS)?;
        region.pieces.extend_from_slice(pieces);
        self.used_pages += pieces.iter().map(|piece| piece.pages).sum::<u64>();
        Ok(())
    }

    /// The region with this id, or why there is none.
    pub fn region(&self, id: RegionId) -> Result<&Region, PercpuError> {
        let slot = self.slots.get(id.index as usize);
        let slot = slot.ok_or(PercpuError::NoSuchRegion)?;
        match (&slot.region, id.generation.cmp(&slot.generation)) {
            (Some(region), core::cmp::Ordering::Equal) => Ok(region),
            (_, core::cmp::Ordering::Less) if id.generation > 0 => Err(PercpuError::StaleGeneration),
            _ => Err(PercpuError::NoSuchRegion),
        }
    }

    fn region_mut(&mut self, id: RegionId) -> Result<&mut Region, PercpuError> {
        self.region(id)?;
        let slot = self.slots.get_mut(id.index as usize);
        slot.and_then(|slot| slot.region.as_mut())
            .ok_or(PercpuError::NoSuchRegion)
    }

    /// Takes a region out of the records: its id is stale from now on. Its pages of the window stay taken.
    pub fn remove(&mut self, id: RegionId) -> Result<Region, PercpuError> {
        self.region(id)?;
        let slot = &mut self.slots[id.index as usize];
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
