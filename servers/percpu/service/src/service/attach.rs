//! New clients, and the checks that several requests share.

use abi::percpu::{INIT_BADGE, PercpuError, unit_pages};
use abi::window::STATIC_FIRST_PAGE;
use abi::{Handle, Message, PAGE_SIZE};
use percpu_core::PageRange;

use super::{STATIC_TAG, Service};
use crate::client::{Client, Window};
use crate::mapper::Mapper;
use crate::pools::Pool;

impl<M: Mapper> Service<M> {
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

    pub(super) fn attach(
        &mut self,
        badge: u64,
        window: Handle,
        quota_pages: u64,
        static_pages: u64,
    ) -> Result<Message, PercpuError> {
        if badge == 0 || badge == INIT_BADGE || self.clients.find(badge).is_ok() {
            return Err(PercpuError::Malformed(0));
        }
        if static_pages > unit_pages(self.stride) {
            return Err(PercpuError::BadSize(unit_pages(self.stride) * PAGE_SIZE));
        }
        self.clients.make_room()?;
        let range = PageRange {
            first: STATIC_FIRST_PAGE as usize,
            count: static_pages as usize,
        };
        let units = Window {
            pages: (self.stride / PAGE_SIZE) as usize,
            static_end: range.first + range.count,
        };
        let client = Client::new(badge, window, quota_pages, units)?;
        let pool = self.back_static(window, range)?;
        self.clients.add(client);
        Ok(Message::new(0, [pool as u64, 0, 0, 0, 0, 0]))
    }

    /// Reserved pages for a static part, or dynamic ones when too few of these are left.
    fn back_static(&mut self, window: Handle, range: PageRange) -> Result<Pool, PercpuError> {
        if range.count == 0 {
            return Ok(Pool::Reserved);
        }
        match self.back(window, STATIC_TAG, Pool::Reserved, &[range]) {
            Ok(_) => Ok(Pool::Reserved),
            Err(PercpuError::ReservedExhausted { .. }) => {
                self.back(window, STATIC_TAG, Pool::Dynamic, &[range])?;
                Ok(Pool::Dynamic)
            }
            Err(refusal) => Err(refusal),
        }
    }
}
