//! A stock: one object of per-CPU memory, and which of its pages are given out.

use abi::Handle;
use abi::percpu::PercpuError;
use percpu_core::{PageNeed, PageRange};

use crate::room::{Pages, pages};

/// Most pages of stocks that the server's own memory can describe; only named in a refusal.
const LIMIT: usize = abi::syscall::MAX_MEMORY_PAGES as usize;

/// Pages in a row of one stock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// The stock's memory.
    pub memory: Handle,
    /// Its pages.
    pub range: PageRange,
}

/// Pages of one memory object. Each is given out, or free and clean, or free and dirty: to be cleared before it is
/// given out again. Who maps a dirty page has the kernel clear it then.
#[derive(Debug)]
pub struct Stock {
    memory: Handle,
    /// Free here are those that are not given out.
    pages: Pages,
    /// Free here are those that are free and clean.
    clean: Pages,
    /// Free here are those that are free and dirty.
    dirty: Pages,
    /// Pages that are given out only to be cleared.
    being_cleared: usize,
}

impl Stock {
    /// A stock of all pages of a memory object, all free; clean if it is new.
    pub fn new(memory: Handle, count: usize, is_new: bool) -> Result<Stock, PercpuError> {
        let (pages, mut clean, mut dirty) = (map(count)?, map(count)?, map(count)?);
        let others = if is_new { &mut dirty } else { &mut clean };
        if count > 0 {
            let taken = others.allocate_at(PageRange { first: 0, count });
            taken.expect("a new map has all pages free");
        }
        Ok(Stock {
            memory,
            pages,
            clean,
            dirty,
            being_cleared: 0,
        })
    }

    /// The memory.
    pub fn memory(&self) -> Handle {
        self.memory
    }

    /// Which pages are given out.
    pub fn pages(&self) -> &Pages {
        &self.pages
    }

    /// Pages in all.
    pub fn total(&self) -> usize {
        self.pages.pages()
    }

    /// Pages that are not given out.
    pub fn free(&self) -> usize {
        self.pages.free_pages()
    }

    /// Pages that are not given out, and clean.
    pub fn clean(&self) -> usize {
        self.clean.free_pages()
    }

    /// Pages that are not given out, and have to be cleared.
    pub fn dirty(&self) -> usize {
        self.dirty.free_pages()
    }

    /// Pages that are given out.
    pub fn used(&self) -> usize {
        self.total() - self.free() - self.being_cleared
    }

    /// Whether nobody has any of its pages.
    pub fn is_unused(&self) -> bool {
        self.total() == self.free()
    }

    /// Takes `count` pages in a row: clean ones, or else whatever there is.
    pub fn take_row(&mut self, count: usize) -> Option<Run> {
        let need = PageNeed {
            count,
            align_pages: 1,
        };
        if let Ok(range) = self.clean.allocate(need) {
            let taken = self.pages.allocate_at(range);
            taken.expect("a clean page is free");
            return Some(self.run(range));
        }
        let range = self.pages.allocate(need).ok()?;
        self.forget(range);
        Some(self.run(range))
    }

    /// Takes the first clean pages in a row, at most `most` of them.
    pub fn take_clean(&mut self, most: usize) -> Option<Run> {
        let range = first_of(&mut self.clean, most)?;
        let taken = self.pages.allocate_at(range);
        taken.expect("a clean page is free");
        Some(self.run(range))
    }

    /// Takes the first free pages in a row, at most `most` of them, clean or not.
    pub fn take_some(&mut self, most: usize) -> Option<Run> {
        if let Some(run) = self.take_clean(most) {
            return Some(run);
        }
        let range = first_of(&mut self.dirty, most)?;
        let taken = self.pages.allocate_at(range);
        taken.expect("a dirty page is free");
        Some(self.run(range))
    }

    /// Takes dirty pages in a row, at most `most` of them, to clear them.
    pub fn take_dirty(&mut self, most: usize) -> Option<Run> {
        let range = first_of(&mut self.dirty, most)?;
        let taken = self.pages.allocate_at(range);
        taken.expect("a dirty page is free");
        self.being_cleared += range.count;
        Some(self.run(range))
    }

    /// Takes just these pages, if they are there and free.
    pub fn take_at(&mut self, range: PageRange) -> Result<(), PercpuError> {
        let taken = self.pages.allocate_at(range);
        taken.map_err(|_| PercpuError::Kernel(abi::Status::PageInUse as u64))?;
        self.forget(range);
        Ok(())
    }

    /// Takes pages back that somebody had.
    ///
    /// # Panics
    /// When they were not given out: the records contradict each other.
    pub fn give_back(&mut self, range: PageRange) {
        let given = self.pages.free(range).and_then(|()| self.dirty.free(range));
        given.expect("pages that come back were given out");
    }

    /// Takes pages back that [`Stock::take_dirty`] gave.
    ///
    /// # Panics
    /// As for [`Stock::give_back`].
    pub fn give_cleared_back(&mut self, range: PageRange, is_clean: bool) {
        self.being_cleared -= range.count;
        let to = if is_clean {
            &mut self.clean
        } else {
            &mut self.dirty
        };
        let given = self.pages.free(range).and_then(|()| to.free(range));
        given.expect("pages that come back were given out");
    }

    /// Takes pages out of those that are free, each of which is clean or dirty.
    fn forget(&mut self, range: PageRange) {
        for first in range.first..range.first + range.count {
            let page = PageRange { first, count: 1 };
            let taken = self.clean.allocate_at(page);
            taken
                .or_else(|_| self.dirty.allocate_at(page))
                .expect("a free page is clean or dirty");
        }
    }

    fn run(&self, range: PageRange) -> Run {
        let memory = self.memory;
        Run { memory, range }
    }
}

fn map(count: usize) -> Result<Pages, PercpuError> {
    pages(count, LIMIT)
}

/// Takes the first free pages in a row, at most so many.
fn first_of(pages: &mut Pages, most: usize) -> Option<PageRange> {
    if pages.free_pages() == 0 {
        return None;
    }
    let first = pages.free_runs().next()?;
    let range = PageRange {
        first: first.first,
        count: first.count.min(most),
    };
    pages.allocate_at(range).ok()?;
    Some(range)
}
