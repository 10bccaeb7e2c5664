//! Which pages of which memory objects lie where: in an address space, or in every unit of a window.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Status;

use super::Memory;
use crate::cpu::breath;
use crate::memory::heap;
use crate::refusal::Refusal;

/// Pages that lie side by side, in the place and in the memory object.
#[derive(Clone)]
pub struct Range {
    /// Page number in the place.
    pub first: u64,
    /// How many.
    pub pages: u64,
    /// The object.
    pub memory: Arc<Memory>,
    /// Page in the object.
    pub memory_first: u64,
    /// A word that the mapper wants to find again.
    pub tag: u64,
}

impl Range {
    fn end(&self) -> u64 {
        self.first + self.pages
    }

    /// The part of it within these pages.
    fn part(&self, first: u64, end: u64) -> Option<Range> {
        let (from, to) = (self.first.max(first), self.end().min(end));
        let part = || Range {
            first: from,
            pages: to - from,
            memory_first: self.memory_first + (from - self.first),
            ..self.clone()
        };
        (from < to).then(part)
    }
}

/// Ranges without overlap, by their first page. However many there are, finding or changing one takes a few steps.
#[derive(Default)]
pub struct Ranges(BTreeMap<u64, Range>);

impl Ranges {
    /// None.
    pub const fn new() -> Ranges {
        Ranges(BTreeMap::new())
    }

    /// Whether any of these pages is taken.
    pub fn overlaps(&self, first: u64, pages: u64) -> bool {
        let next = self.at_or_behind(first);
        next.is_some_and(|range| range.first < first.saturating_add(pages))
    }

    /// Adds pages that are not taken.
    ///
    /// # Errors
    /// Nobody pays for the room.
    pub fn insert(&mut self, range: Range) -> Result<(), Refusal> {
        let first = range.first;
        self.0.insert(first, range);
        heap::paid().inspect_err(|_| drop(self.take(first)))
    }

    /// Those that have any of these pages.
    fn within(&self, first: u64, end: u64) -> impl Iterator<Item = &Range> {
        let cut = self.covering(first).filter(|range| range.first < first);
        let others = self.0.range(first..end).map(|(_, range)| range);
        cut.into_iter().chain(others)
    }

    /// The parts of ranges in these pages, if every page is taken.
    pub fn parts(&self, first: u64, pages: u64) -> Option<Vec<Range>> {
        let end = first + pages;
        let parts = self.within(first, end).filter_map(|range| range.part(first, end));
        self.covers(first, pages).then(|| parts.collect())
    }

    /// Whether every one of these pages is taken.
    pub fn covers(&self, first: u64, pages: u64) -> bool {
        let (end, mut taken) = (first + pages, 0);
        breath::for_each(self.within(first, end), breath::OFTEN, |range| {
            taken += range.end().min(end) - range.first.max(first);
        });
        taken == pages
    }

    /// Takes the range out that begins at this page.
    pub fn take(&mut self, first: u64) -> Option<Range> {
        self.0.remove(&first)
    }

    /// Takes any one out.
    pub fn pop(&mut self) -> Option<Range> {
        Some(self.0.pop_first()?.1)
    }

    /// The first range that does not end before this page.
    pub fn at_or_behind(&self, page: u64) -> Option<&Range> {
        let behind = || Some(self.0.range(page..).next()?.1);
        self.covering(page).or_else(behind)
    }

    /// The range with this page.
    pub fn covering(&self, page: u64) -> Option<&Range> {
        let (_, range) = self.0.range(..=page).next_back()?;
        (range.end() > page).then_some(range)
    }

    /// Takes what there is of these pages out, and gives it back.
    ///
    /// # Errors
    /// Without room for the list of what is taken, or for one range that becomes two.
    pub fn remove_any(&mut self, first: u64, pages: u64) -> Result<Vec<Range>, Refusal> {
        let end = first.saturating_add(pages);
        let mut parts = Vec::new();
        // Mostly it is a whole one.
        if self.0.get(&first).is_some_and(|range| range.end() == end) {
            parts.try_reserve_exact(1).map_err(|_| Status::HeapExhausted)?;
            parts.extend(self.take(first));
            return Ok(parts);
        }
        let mut count = 0;
        breath::for_each(self.within(first, end), breath::OFTEN, |_| count += 1);
        parts
            .try_reserve_exact(count)
            .map_err(|_| Status::HeapExhausted)?;
        let cut = self.covering(end).filter(|range| range.first < end);
        if let Some(behind) = cut.and_then(|range| range.part(end, u64::MAX)) {
            self.insert(behind)?;
        }
        let cut = self.0.range_mut(..first).next_back();
        if let Some((_, range)) = cut.filter(|(_, range)| range.end() > first) {
            parts.extend(range.part(first, end));
            range.pages = first - range.first;
        }
        breath::for_each(core::iter::from_fn(|| self.take_within(first, end)), 1, |range| {
            parts.extend(range.part(first, end));
        });
        Ok(parts)
    }

    fn take_within(&mut self, first: u64, end: u64) -> Option<Range> {
        let next = *self.0.range(first..end).next()?.0;
        self.take(next)
    }
}
