//! Which pages of which memory objects lie where: in an address space, or in every unit of a window.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Status;

use super::Memory;
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

/// Ranges in order, without overlap.
#[derive(Default)]
pub struct Ranges(Vec<Range>);

impl Ranges {
    /// None.
    pub const fn new() -> Ranges {
        Ranges(Vec::new())
    }

    /// Whether any of these pages is taken.
    pub fn overlaps(&self, first: u64, pages: u64) -> bool {
        let next = self.at_or_behind(first);
        next.is_some_and(|range| range.first < first.saturating_add(pages))
    }

    /// Makes room for one more: adding it cannot fail then.
    pub fn make_room(&mut self) -> Result<(), Refusal> {
        heap::make_room(&mut self.0, 1)
    }

    /// Adds pages that are not taken.
    pub fn insert(&mut self, range: Range) {
        let at = self.0.partition_point(|other| other.first < range.first);
        self.0.insert(at, range);
    }

    /// The parts of ranges in these pages, if every page is taken.
    pub fn parts(&self, first: u64, pages: u64) -> Option<Vec<Range>> {
        let parts: Vec<Range> = self
            .0
            .iter()
            .filter_map(|range| range.part(first, first + pages))
            .collect();
        (parts.iter().map(|part| part.pages).sum::<u64>() == pages).then_some(parts)
    }

    /// Whether every one of these pages is taken.
    pub fn covers(&self, first: u64, pages: u64) -> bool {
        let parts = self.0.iter().filter_map(|range| range.part(first, first + pages));
        parts.map(|part| part.pages).sum::<u64>() == pages
    }

    /// Takes the range out that begins at this page.
    pub fn take(&mut self, first: u64) -> Option<Range> {
        let at = self.0.iter().position(|range| range.first == first)?;
        Some(self.0.remove(at))
    }

    /// The first range that does not end before this page.
    pub fn at_or_behind(&self, page: u64) -> Option<&Range> {
        self.0.get(self.0.partition_point(|range| range.end() <= page))
    }

    /// The range with this page.
    pub fn covering(&self, page: u64) -> Option<&Range> {
        self.at_or_behind(page).filter(|range| range.first <= page)
    }

    /// Takes what there is of these pages out, and gives it back.
    ///
    /// # Errors
    /// Without room for the list of what is taken, or for one range that becomes two.
    pub fn remove_any(&mut self, first: u64, pages: u64) -> Result<Vec<Range>, Refusal> {
        let end = first.saturating_add(pages);
        let from = self.0.partition_point(|range| range.end() <= first);
        let to = self.0.partition_point(|range| range.first < end).max(from);
        let mut parts = Vec::new();
        parts
            .try_reserve_exact(to - from)
            .map_err(|_| Status::HeapExhausted)?;
        let removed = &self.0[from..to];
        parts.extend(removed.iter().filter_map(|range| range.part(first, end)));
        let before = removed.first().and_then(|range| range.part(0, first));
        let behind = removed.last().and_then(|range| range.part(end, u64::MAX));
        if to - from == 1 && before.is_some() && behind.is_some() {
            self.make_room()?;
        }
        self.0.drain(from..to);
        for rest in [behind, before].into_iter().flatten() {
            self.0.insert(from, rest);
        }
        Ok(parts)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Range> {
        self.0.iter()
    }
}
