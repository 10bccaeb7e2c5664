//! Frames for pages of a window, and the way back.

use alloc::vec::Vec;

use abi::Handle;
use abi::percpu::PercpuError;
use abi::syscall::MAX_WINDOW_LIST;
use percpu_core::PageRange;

use super::Service;
use super::trace::Traced;
use crate::ledger::{MOST_REGIONS, Words};
use crate::mapper::{Mapper, Piece};
use crate::note::Note;
use crate::pools::Pool;
use crate::region::Region;
use crate::room::room;
use crate::stock::Run;

/// Most pieces that one kernel call maps.
const MOST_PIECES: usize = MAX_WINDOW_LIST as usize;

impl<M: Mapper, W: Words> Service<M, W> {
    /// Takes pages from a pool for these pages of a window, in no more pieces than one kernel call maps.
    pub(super) fn take_pieces(&mut self, pool: Pool, gaps: &[PageRange]) -> Result<Vec<Piece>, PercpuError> {
        match self.try_pieces(pool, gaps, false)? {
            Some(pieces) => Ok(pieces),
            None => {
                let pieces = self.try_pieces(pool, gaps, true)?;
                pieces.ok_or(PercpuError::ServerFull(MOST_PIECES as u64))
            }
        }
    }

    /// None when it would be too many pieces.
    fn try_pieces(
        &mut self,
        pool: Pool,
        gaps: &[PageRange],
        in_new_rows: bool,
    ) -> Result<Option<Vec<Piece>>, PercpuError> {
        let count = gaps.iter().map(|gap| gap.count).sum();
        let mut traced = Traced {
            mapper: &mut self.mapper,
            ledger: &mut self.ledger,
        };
        let runs = self.pools.take(pool, count, in_new_rows, &mut traced)?;
        let pieces = pair(gaps, &runs);
        match pieces {
            Ok(pieces) if pieces.len() <= MOST_PIECES => Ok(Some(pieces)),
            other => {
                for run in runs {
                    self.pools.give_back(run);
                }
                other.map(|_| None)
            }
        }
    }

    /// The one kernel call of a change that maps: pieces, or nothing but the note.
    pub(super) fn map(
        &mut self,
        window: Handle,
        pieces: &[Piece],
        tag: u64,
        note: Note,
    ) -> Result<(), PercpuError> {
        let done = match pieces.is_empty() {
            true => self.mapper.set_note(window, note.encode()),
            false => self.mapper.map(window, pieces, tag, note.encode()),
        };
        Ok(done?)
    }

    /// Takes pages back that are in no window.
    pub(super) fn give_pieces_back(&mut self, pieces: &[Piece]) {
        for piece in pieces {
            self.pools.give_back(piece.run());
        }
    }
}

impl Piece {
    /// Its pages in their memory.
    pub(super) fn run(&self) -> Run {
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

/// Those of these pages of the window that have no frames.
pub(super) fn gaps(region: &Region, range: PageRange) -> Result<Vec<PageRange>, PercpuError> {
    let end = (range.first + range.count) as u64;
    let mut gaps = Vec::new();
    let mut from = range.first as u64;
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
