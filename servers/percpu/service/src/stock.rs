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

/// Pages of one memory object.
#[derive(Debug)]
pub struct Stock {
    memory: Handle,
    pages: Pages,
}

impl Stock {
    /// A stock of all pages of a memory object, all free.
    pub fn new(memory: Handle, count: usize) -> Result<Stock, PercpuError> {
        let pages = pages(count, LIMIT)?;
        Ok(Stock { memory, pages })
    }

    /// The memory.
    pub fn memory(&self) -> Handle {
        self.memory
    }

    /// Pages in all.
    pub fn total(&self) -> usize {
        self.pages.pages()
    }

    /// Pages that are not given out.
    pub fn free(&self) -> usize {
        self.pages.free_pages()
    }

    /// Pages that are given out.
    pub fn used(&self) -> usize {
        self.total() - self.free()
    }

    /// Takes `count` pages in a row.
    pub fn take_row(&mut self, count: usize) -> Option<Run> {
        let need = PageNeed {
            count,
            align_pages: 1,
        };
        let range = self.pages.allocate(need).ok()?;
        let memory = self.memory;
        Some(Run { memory, range })
    }

    /// Takes the first free pages in a row, at most `most` of them.
    pub fn take_some(&mut self, most: usize) -> Option<Run> {
        let first = self.pages.free_runs().next()?;
        let range = PageRange {
            first: first.first,
            count: first.count.min(most),
        };
        self.pages.allocate_at(range).ok()?;
        let memory = self.memory;
        Some(Run { memory, range })
    }

    /// Takes just these pages, if they are there and free.
    pub fn take_at(&mut self, range: PageRange) -> Result<(), PercpuError> {
        let taken = self.pages.allocate_at(range);
        taken.map_err(|_| PercpuError::Kernel(abi::Status::PageInUse as u64))
    }

    /// Takes pages back.
    ///
    /// # Panics
    /// When they were not given out: the records contradict each other.
    pub fn give_back(&mut self, range: PageRange) {
        let given = self.pages.free(range);
        given.expect("pages that come back were given out");
    }
}
