//! Which pages of which memory objects lie where: in an address space, or in every unit of a window.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Memory;

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

    /// Takes these pages out, if every one is taken, and gives back what lay there.
    pub fn remove(&mut self, first: u64, pages: u64) -> Option<Vec<Range>> {
        self.parts(first, pages)?;
        Some(self.remove_any(first, pages))
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
    pub fn remove_any(&mut self, first: u64, pages: u64) -> Vec<Range> {
        let end = first.saturating_add(pages);
        let from = self.0.partition_point(|range| range.end() <= first);
        let to = self.0.partition_point(|range| range.first < end);
        if from >= to {
            return Vec::new();
        }
        // What lies across a border stays in part.
        let before = self.0[from].part(0, first);
        let behind = self.0[to - 1].part(end, u64::MAX);
        let rests = before.into_iter().chain(behind);
        let mut removed: Vec<Range> = self.0.splice(from..to, rests).collect();
        for range in &mut removed {
            let is_inside = first <= range.first && range.end() <= end;
            if let Some(part) = range.part(first, end).filter(|_| !is_inside) {
                *range = part;
            }
        }
        removed
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Range> {
        self.0.iter()
    }
}
