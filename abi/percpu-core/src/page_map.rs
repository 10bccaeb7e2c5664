//! `PageMap`: which pages of a unit are taken. The same answer holds in every unit.
//!
//! The grain at which per-CPU memory can be isolated is the page, so the reserved and the dynamic part
//! are handed out in pages; bytes are somebody else's business. The map knows numbers of pages and
//! nothing about owners, addresses or CPUs. One bit for each page, first fit, exact: a refusal means
//! that no fit exists.
//!
//! Storage is whatever lends words: an array, a borrowed slice, a vector.
//!
//! Sources: 2.1 of the model (reserved and dynamic part); no refusal by hint, unlike Z1 and Z2.

mod bits;
mod error;

use bits::{Bits, WORD_BITS};
pub use error::PageMapError;

/// Pages that adjoin: `count` of them, from page `first` of the unit on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRange {
    /// Number of the first page.
    pub first: usize,
    /// How many pages.
    pub count: usize,
}

impl PageRange {
    /// Number of the page behind the last one; `None` if there is no such number.
    pub const fn end(self) -> Option<usize> {
        self.first.checked_add(self.count)
    }
}

/// What an allocation must be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageNeed {
    /// How many pages, adjoining.
    pub count: usize,
    /// The first page's number is a multiple of this power of two. 1: anywhere.
    pub align_pages: usize,
}

/// A map of the pages of a unit.
///
/// ```
/// use percpu_core::{PageMap, PageMapError, PageNeed, PageRange};
///
/// let mut map = PageMap::new([0; 2], 100)?;
/// let region = map.allocate(PageNeed { count: 3, align_pages: 1 })?;
/// assert_eq!(region, PageRange { first: 0, count: 3 });
/// map.free(region)?;
/// assert_eq!(map.free(region), Err(PageMapError::NotTaken { page: 0 }));
/// # Ok::<(), PageMapError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PageMap<S> {
    taken: Bits<S>,
    pages: usize,
    free_pages: usize,
}

/// Words of storage that a map of this many pages needs.
pub const fn page_map_words(pages: usize) -> usize {
    pages.div_ceil(WORD_BITS)
}

impl<S: AsRef<[u64]> + AsMut<[u64]>> PageMap<S> {
    /// A map of this many pages, all free. What the storage held is overwritten.
    ///
    /// # Errors
    ///
    /// [`PageMapError::StorageTooSmall`].
    pub fn new(storage: S, pages: usize) -> Result<Self, PageMapError> {
        let (words, needed) = (storage.as_ref().len(), page_map_words(pages));
        if words < needed {
            return Err(PageMapError::StorageTooSmall { words, needed });
        }
        Ok(Self {
            taken: Bits::cleared(storage),
            pages,
            free_pages: pages,
        })
    }

    /// Takes the lowest pages that fit.
    ///
    /// # Errors
    ///
    /// [`PageMapError::NoPages`], [`PageMapError::BadAlign`], [`PageMapError::NoFit`].
    pub fn allocate(&mut self, need: PageNeed) -> Result<PageRange, PageMapError> {
        let PageNeed { count, align_pages } = need;
        if count == 0 {
            return Err(PageMapError::NoPages);
        }
        if !align_pages.is_power_of_two() {
            return Err(PageMapError::BadAlign { align_pages });
        }
        let range = self.first_fit(need).ok_or_else(|| PageMapError::NoFit {
            largest_free: self.largest_free(),
        })?;
        self.take(range);
        Ok(range)
    }

    /// Takes exactly these pages.
    ///
    /// # Errors
    ///
    /// [`PageMapError::NoPages`], [`PageMapError::OutOfRange`], [`PageMapError::Taken`].
    pub fn allocate_at(&mut self, range: PageRange) -> Result<(), PageMapError> {
        self.check(range)?;
        if let Some(page) = self.taken.first_one(range) {
            return Err(PageMapError::Taken { page });
        }
        self.take(range);
        Ok(())
    }

    /// Gives pages back: all of the range, which need not be what one allocation took. Whether the
    /// caller may free them is the caller's ledger's business.
    ///
    /// # Errors
    ///
    /// [`PageMapError::NoPages`], [`PageMapError::OutOfRange`], [`PageMapError::NotTaken`] (a double
    /// free).
    pub fn free(&mut self, range: PageRange) -> Result<(), PageMapError> {
        self.check(range)?;
        if let Some(page) = self.taken.first_zero(range) {
            return Err(PageMapError::NotTaken { page });
        }
        self.taken.set(range, false);
        self.free_pages += range.count;
        Ok(())
    }

    /// Pages of the unit.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// Pages that are free.
    pub fn free_pages(&self) -> usize {
        self.free_pages
    }

    /// Pages of the longest free run.
    pub fn largest_free(&self) -> usize {
        self.free_runs().map(|run| run.count).max().unwrap_or(0)
    }

    /// Whether a page is taken; `None` outside the unit.
    pub fn is_taken(&self, page: usize) -> Option<bool> {
        let range = PageRange {
            first: page,
            count: 1,
        };
        self.check(range).ok()?;
        Some(self.taken.first_one(range).is_some())
    }

    /// The runs of free pages, ascending, each as long as it can be.
    pub fn free_runs(&self) -> impl Iterator<Item = PageRange> + '_ {
        let mut from = 0;
        core::iter::from_fn(move || {
            let rest = |first| PageRange {
                first,
                count: self.pages - first,
            };
            let first = self.taken.first_zero(rest(from))?;
            from = self.taken.first_one(rest(first)).unwrap_or(self.pages);
            Some(PageRange {
                first,
                count: from - first,
            })
        })
    }

    /// Terminates: `first` grows in every round. Two rounds move it by at least `count` pages, because
    /// the pages behind the last taken one were seen to be free.
    fn first_fit(&self, need: PageNeed) -> Option<PageRange> {
        let mut first = 0usize;
        loop {
            first = first.checked_next_multiple_of(need.align_pages)?;
            let range = PageRange {
                first,
                count: need.count,
            };
            if range.end()? > self.pages {
                return None;
            }
            match self.taken.last_one(range) {
                // Where nothing is free nothing fits: a run of taken pages is one step, however long.
                Some(taken) => {
                    first = self.taken.first_zero(PageRange {
                        first: taken + 1,
                        count: self.pages - taken - 1,
                    })?;
                }
                None => return Some(range),
            }
        }
    }

    fn take(&mut self, range: PageRange) {
        self.taken.set(range, true);
        self.free_pages -= range.count;
    }

    fn check(&self, range: PageRange) -> Result<(), PageMapError> {
        match range.end() {
            _ if range.count == 0 => Err(PageMapError::NoPages),
            Some(end) if end <= self.pages => Ok(()),
            _ => Err(PageMapError::OutOfRange { pages: self.pages }),
        }
    }
}
