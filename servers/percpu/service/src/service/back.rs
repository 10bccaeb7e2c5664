//! Frames for pages of a window, all or nothing, and the way back.

use alloc::vec::Vec;

use abi::percpu::PercpuError;
use abi::{Handle, Status};
use percpu_core::PageRange;

use super::Service;
use crate::client::{MOST_REGIONS, Region};
use crate::mapper::{Mapper, Piece};
use crate::pools::Pool;
use crate::room::room;
use crate::stock::Run;

impl<M: Mapper> Service<M> {
    /// Takes pages from a pool and maps them at these pages of the window. When anything is refused, nothing
    /// is mapped and no page is taken.
    pub(super) fn back(
        &mut self,
        window: Handle,
        tag: u64,
        pool: Pool,
        gaps: &[PageRange],
    ) -> Result<Vec<Piece>, PercpuError> {
        let count = gaps.iter().map(|gap| gap.count).sum();
        let runs = self.pools.take(pool, count, &mut self.mapper)?;
        let pieces = match pair(gaps, &runs) {
            Ok(pieces) => pieces,
            Err(refusal) => {
                for run in runs {
                    self.pools.give_back(run, &mut self.mapper);
                }
                return Err(refusal);
            }
        };
        for (mapped, piece) in pieces.iter().enumerate() {
            if let Err(refusal) = self.mapper.map(window, piece, tag) {
                self.unback(window, &pieces, mapped);
                return Err(refusal.into());
            }
        }
        Ok(pieces)
    }

    /// The reverse: takes the first `mapped` pieces out of the window, and all of their pages back. Pages
    /// that the kernel does not take out are never given to anyone again; then this is false.
    pub(super) fn unback(&mut self, window: Handle, pieces: &[Piece], mapped: usize) -> bool {
        let mut clean = true;
        for (index, piece) in pieces.iter().enumerate() {
            if index >= mapped || self.unmap(window, piece) {
                self.pools.give_back(piece.run(), &mut self.mapper);
            } else {
                clean = false;
            }
        }
        clean
    }

    /// Whether nothing of the piece is in the window any more; a process that has ended has lost it before.
    fn unmap(&mut self, window: Handle, piece: &Piece) -> bool {
        match self.mapper.unmap(window, piece) {
            Ok(()) => true,
            Err(refusal) => matches!(refusal.status, Status::NotMapped | Status::ProcessEnded),
        }
    }
}

impl Piece {
    fn run(&self) -> Run {
        let (first, count) = (self.memory_page as usize, self.pages as usize);
        Run {
            memory: self.memory,
            range: PageRange { first, count },
        }
    }
}

/// Lays runs of pages into gaps, in order; both have the same number of pages.
fn pair(gaps: &[PageRange], runs: &[Run]) -> Result<Vec<Piece>, PercpuError> {
    let mut pieces = Vec::new();
    room(&mut pieces, gaps.len() + runs.len(), MOST_REGIONS)?;
    let mut runs = runs.iter();
    let mut left = PageRange { first: 0, count: 0 };
    let mut memory = Handle::NONE;
    for gap in gaps {
        let mut gap = *gap;
        while gap.count > 0 {
            if left.count == 0 {
                let Some(run) = runs.next() else { return Ok(pieces) };
                (left, memory) = (run.range, run.memory);
            }
            let pages = gap.count.min(left.count);
            pieces.push(Piece {
                memory,
                memory_page: left.first as u64,
                window_page: gap.first as u64,
                pages: pages as u64,
            });
            for range in [&mut gap, &mut left] {
                range.first += pages;
                range.count -= pages;
            }
        }
    }
    Ok(pieces)
}

/// The pages of the window that have no frames, among `count` pages of a region from its page `page` on.
pub(super) fn gaps(region: &Region, page: u64, count: u64) -> Result<Vec<PageRange>, PercpuError> {
    let pages = region.range.count as u64;
    let end = page.checked_add(count).filter(|end| *end <= pages && count > 0);
    let end = region.range.first as u64 + end.ok_or(PercpuError::BadRange(pages))?;
    let mut gaps = Vec::new();
    let mut from = region.range.first as u64 + page;
    while from < end {
        let covering = |piece: &&Piece| (piece.window_page..piece.window_page + piece.pages).contains(&from);
        if let Some(piece) = region.pieces.iter().find(covering) {
            from = piece.window_page + piece.pages;
            continue;
        }
        let starts = region.pieces.iter().map(|piece| piece.window_page);
        let next = starts.filter(|start| *start > from).min().unwrap_or(end).min(end);
        room(&mut gaps, 1, MOST_REGIONS)?;
        gaps.push(PageRange {
            first: from as usize,
            count: (next - from) as usize,
        });
        from = next;
    }
    Ok(gaps)
}
