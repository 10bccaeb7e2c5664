//! Which pages of per-CPU memory are in a window, and which were in one since their frames were cleared.

use alloc::vec::Vec;
use core::ops::Range;

use abi::Status;

use super::PAGES_AT_ONCE;
use crate::cpu::breath;
use crate::memory::heap;
use crate::refusal::{Refusal, require};

/// What is known of a page, the same for all CPUs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Page {
    /// In no window, and every frame of it is clear.
    Clean,
    /// In no window, and somebody may have left something in it.
    Dirty,
    /// In a window, or being cleared.
    Used,
}

/// The pages of a memory object.
pub struct Pages(Vec<Page>);

impl Pages {
    /// Pages whose frames were cleared when they were made.
    ///
    /// # Errors
    /// Nobody pays for the list.
    pub fn clean(count: u64) -> Result<Pages, Refusal> {
        Ok(Pages(heap::list_of(Page::Clean, count as usize)?))
    }

    /// Pages of the kernel's own, of which nothing is known.
    pub fn lent(count: u64) -> Pages {
        Pages(alloc::vec![Page::Dirty; count as usize])
    }

    /// Takes these pages, and says which are to be cleared: the first of them and as many as to the last.
    pub fn take(&mut self, range: Range<usize>) -> Result<Range<usize>, Refusal> {
        let wanted = self.0.get_mut(range.clone()).ok_or(Status::BadArgument)?;
        let (mut is_free, mut first, mut last) = (true, None, None);
        breath::for_each(wanted.iter().enumerate(), PAGES_AT_ONCE, |(index, page)| {
            is_free &= *page != Page::Used;
            if *page == Page::Dirty {
                first = first.or(Some(index));
                last = Some(index);
            }
        });
        require(is_free, Status::PageInUse)?;
        breath::for_each(wanted, PAGES_AT_ONCE, |page| *page = Page::Used);
        let dirty = first.zip(last);
        Ok(dirty.map_or(0..0, |(first, last)| range.start + first..range.start + last + 1))
    }

    /// Takes pages back that were in a window, or were cleared.
    pub fn give_back(&mut self, range: Range<usize>, is_clean: bool) {
        let state = if is_clean { Page::Clean } else { Page::Dirty };
        breath::for_each(&mut self.0[range], PAGES_AT_ONCE, |page| *page = state);
    }

    /// Pages in windows.
    pub fn used(&self) -> u64 {
        self.count(Page::Used)
    }

    /// Pages that can be mapped without clearing them.
    pub fn clean_count(&self) -> u64 {
        self.count(Page::Clean)
    }

    fn count(&self, state: Page) -> u64 {
        let mut count = 0;
        breath::for_each(&self.0, PAGES_AT_ONCE, |page| count += u64::from(*page == state));
        count
    }
}
