//! A region, and the pieces of memory that its pages have.

use alloc::vec::Vec;

use abi::percpu::map::Kind;
use abi::percpu::{Name, PercpuError};
use percpu_core::PageRange;

use crate::ledger::MOST_REGIONS;
use crate::mapper::Piece;
use crate::room::room;

/// A range of pages in every unit of a client's window.
#[derive(Debug)]
pub struct Region {
    /// Pages of the window.
    pub range: PageRange,
    /// What its pages are.
    pub kind: Kind,
    /// For people.
    pub name: Name,
    /// The pages that have frames, in no order.
    pub pieces: Vec<Piece>,
}

impl Region {
    /// Pages with frames.
    pub fn populated(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.pages).sum()
    }

    /// Takes what lies at these pages of the window out of its pieces.
    pub fn take_out(&mut self, range: PageRange) -> Result<Vec<Piece>, PercpuError> {
        let (mut out, mut rest) = (Vec::new(), Vec::new());
        room(&mut out, self.pieces.len(), MOST_REGIONS)?;
        // Room for all of it, so that what is taken out can come back.
        room(&mut rest, 3 * self.pieces.len(), MOST_REGIONS)?;
        let (first, end) = (range.first as u64, (range.first + range.count) as u64);
        for piece in &self.pieces {
            let inside = piece.part(first, end);
            let outside = [piece.part(0, first), piece.part(end, u64::MAX)];
            out.extend(inside);
            rest.extend(outside.into_iter().flatten());
        }
        self.pieces = rest;
        Ok(out)
    }
}

impl Piece {
    /// The part of it within these pages of the window.
    fn part(&self, first: u64, end: u64) -> Option<Piece> {
        let (from, to) = (
            self.window_page.max(first),
            (self.window_page + self.pages).min(end),
        );
        let part = || Piece {
            memory_page: self.memory_page + (from - self.window_page),
            window_page: from,
            pages: to - from,
            ..*self
        };
        (from < to).then(part)
    }
}
