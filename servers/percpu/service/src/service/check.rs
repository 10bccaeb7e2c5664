//! The checks that several requests share.

use abi::percpu::{Grant, INIT_BADGE, PercpuError, RegionId, Request, unit_pages};
use abi::{Message, PAGE_SIZE};
use core::cmp::Ordering;
use percpu_core::PageRange;

use super::Service;
use crate::client::Client;
use crate::clients::MOST_CLIENTS;
use crate::ledger::{Counter, MOST_REGIONS, State, Words};
use crate::mapper::Mapper;
use crate::region::Region;

/// A power of two up to a page, or none in particular.
pub(super) fn alignment(align: u64) -> Result<(), PercpuError> {
    match align {
        0 => Ok(()),
        ..=PAGE_SIZE if align.is_power_of_two() => Ok(()),
        _ => Err(PercpuError::BadAlign),
    }
}

/// Pages of the window for `count` pages of a region from its page `page` on.
pub(super) fn range_in(region: &Region, page: u64, count: u64) -> Result<PageRange, PercpuError> {
    let pages = region.range.count as u64;
    let end = page.checked_add(count).filter(|end| *end <= pages && count > 0);
    end.ok_or(PercpuError::BadRange(pages))?;
    Ok(PageRange {
        first: region.range.first + page as usize,
        count: count as usize,
    })
}

impl<M: Mapper, W: Words> Service<M, W> {
    pub(super) fn check_is_init(&self, badge: u64) -> Result<(), PercpuError> {
        match badge {
            INIT_BADGE => Ok(()),
            _ => Err(PercpuError::NotPermitted),
        }
    }

    /// Whole pages for a size in bytes of one unit.
    pub(super) fn checked_pages(&self, bytes: u64) -> Result<usize, PercpuError> {
        let most = unit_pages(self.stride) * PAGE_SIZE;
        match bytes {
            1.. if bytes <= most => Ok(bytes.div_ceil(PAGE_SIZE) as usize),
            _ => Err(PercpuError::BadSize(most)),
        }
    }

    /// The client with this badge, if the region is its own. The ledger is the judge of ids: it remembers the
    /// generations of clients that are long gone.
    pub(super) fn owner(&mut self, badge: u64, id: RegionId) -> Result<&mut Client, PercpuError> {
        let client = self.clients.find(badge)?;
        let index = id.index as usize;
        if index >= MOST_CLIENTS * MOST_REGIONS {
            return Err(PercpuError::NoSuchRegion);
        }
        let (state, generation) = self.ledger.region_head(index);
        match id.generation.cmp(&generation) {
            Ordering::Less if id.generation > 0 => Err(PercpuError::StaleGeneration),
            Ordering::Equal if state == State::Live => match index / MOST_REGIONS == client.slot {
                true => Ok(client),
                false => Err(PercpuError::NotYours),
            },
            _ => Err(PercpuError::NoSuchRegion),
        }
    }

    /// The answer to a request that took effect before; none for one that is new.
    pub(super) fn answer_again(
        &mut self,
        badge: u64,
        request: &Request,
        number: u64,
    ) -> Result<Option<Message>, PercpuError> {
        use Request::{Attach, CpuOffline, CpuOnline};
        // Their numbers are init's, who has no window with a note.
        let is_of_init = matches!(request, Attach { .. } | CpuOffline { .. } | CpuOnline { .. });
        let is_own_change = request.is_change() && !is_of_init;
        let Some(client) = self.clients.find(badge).ok().filter(|_| is_own_change) else {
            return Ok(None);
        };
        match number.cmp(&client.note.number) {
            Ordering::Greater => return Ok(None),
            Ordering::Less => return Err(PercpuError::StaleRequest(client.note.number)),
            Ordering::Equal => {}
        }
        let granted = client.note.region.and_then(|index| client.region_at(index));
        let answer = granted.map_or_else(Message::default, |(region, it)| {
            grant_of(region, it.range).encode()
        });
        self.ledger.count(Counter::AnsweredAgain);
        Ok(Some(answer))
    }
}

/// What a client is told of a new region.
pub(super) fn grant_of(region: RegionId, range: PageRange) -> Grant {
    Grant {
        region,
        offset: range.first as u64 * PAGE_SIZE,
        bytes: range.count as u64 * PAGE_SIZE,
    }
}
