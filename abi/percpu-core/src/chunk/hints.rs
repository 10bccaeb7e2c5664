//! `Hints`: what is remembered about the free runs of one block, or of a whole chunk (K3, K4).
//!
//! Knows no bitmap: it is told of free runs and keeps the best. Hints may be too small, never too big, so
//! they can skip space that would fit and never promise space that is not there.

use super::bits::Run;

/// Hints about the free runs of a block or of a chunk. All numbers count bits of 4 bytes, from the
/// start of what the hints are about. A start whose size is 0 means nothing.
///
/// It is public so that callers can lend storage for it (`[Hints::default(); N]`) and look at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// Length of the longest free run known that starts before `contig_start`; the start may be behind
    /// it only if both are equally long (K5).
    pub scan: u32,
    /// Where that run starts.
    pub scan_start: u32,
    /// Length of the longest free run known.
    pub contig: u32,
    /// Where that run starts.
    pub contig_start: u32,
    /// Length of the free run at the very start. Not maintained for a chunk.
    pub left_free: u32,
    /// Length of the free run at the very end. Not maintained for a chunk.
    pub right_free: u32,
    /// No free bit is before this one. May be too low where everything is taken.
    pub first_free: u32,
    /// How many bits the hints are about.
    pub bits: u32,
}

impl Hints {
    /// Everything is free.
    pub(super) const fn all_free(bits: u32) -> Self {
        Self {
            scan: 0,
            scan_start: 0,
            contig: bits,
            contig_start: 0,
            left_free: bits,
            right_free: bits,
            first_free: 0,
            bits,
        }
    }

    /// Whether every bit is known to be free.
    #[inline]
    pub(super) const fn is_all_free(&self) -> bool {
        self.contig == self.bits
    }

    #[inline]
    pub(super) const fn contig_run(&self) -> Run {
        Run::new(self.contig_start, self.contig_start + self.contig)
    }

    /// Whether a run shares bits with the contig run.
    #[inline]
    pub(super) const fn contig_overlaps(&self, run: Run) -> bool {
        self.contig != 0 && overlaps(run, self.contig_start, self.contig)
    }

    /// Whether a run shares bits with the scan run. May hold if there is none.
    #[inline]
    pub(super) const fn scan_overlaps(&self, run: Run) -> bool {
        overlaps(run, self.scan_start, self.scan)
    }

    /// Bits lost at the start of the contig run to an alignment, which is a power of two.
    #[inline]
    pub(super) const fn lead(&self, align: u32) -> u32 {
        self.contig_start.wrapping_neg() & (align - 1)
    }

    /// Whether the contig run starts at or behind `from` and has room for so many aligned bits.
    #[inline]
    pub(super) const fn has_room(&self, bits: u32, align: u32, from: u32) -> bool {
        self.contig >= self.lead(align) + bits && self.contig_start >= from
    }

    /// Where a search for `bits` may start: runs before that are known to be too short (3.4).
    #[inline]
    pub(super) const fn skip(&self, bits: u32) -> u32 {
        // If there is no scan run, nothing is longer than it.
        if bits - 1 > self.scan.wrapping_sub(1) && self.contig_start > self.scan_start {
            self.scan_start + self.scan
        } else {
            self.first_free
        }
    }

    /// Everything is taken. Starts and `first_free` keep their values, as Linux's do.
    pub(super) const fn take_all(&mut self) {
        self.scan = 0;
        self.contig = 0;
        self.left_free = 0;
        self.right_free = 0;
    }

    /// The first part of a rebuild (3.3): the scan run, if it may be used, becomes the contig run. Says
    /// from which bit on the free runs are to be offered again.
    pub(super) const fn restart(&mut self, may_promote: bool) -> u32 {
        if may_promote && self.scan != 0 {
            self.contig_start = self.scan_start;
            self.contig = self.scan;
            self.scan = 0;
            self.contig_start + self.contig
        } else {
            self.contig = 0;
            self.first_free
        }
    }

    /// Tells a block of a maximal free run (3.2).
    #[inline]
    pub(super) fn offer(&mut self, run: Run) {
        if run.start == 0 {
            self.left_free = run.len();
        }
        if run.end == self.bits {
            self.right_free = run.len();
        }
        self.offer_inner(run);
    }

    /// Tells a chunk of a maximal free run, or of what is known of one. Its edges are not maintained.
    #[inline]
    pub(super) fn offer_inner(&mut self, run: Run) {
        let (start, length) = (run.start, run.len());
        self.first_free = self.first_free.min(start);
        if length > self.contig {
            self.offer_longest(run);
        } else if length == self.contig {
            self.offer_equal(run);
        } else if start < self.contig_start
            && (length > self.scan || (length == self.scan && start > self.scan_start))
        {
            self.remember_scan(run);
        }
    }

    fn offer_longest(&mut self, run: Run) {
        if run.start <= self.contig_start {
            self.scan = 0;
        } else if self.contig > self.scan {
            self.remember_scan(self.contig_run());
        } else if run.start < self.scan_start {
            self.scan = 0;
        }
        self.contig_start = run.start;
        self.contig = run.len();
    }

    /// Of two equally long runs the one with the better aligned start becomes the contig run.
    fn offer_equal(&mut self, run: Run) {
        let start = run.start;
        if is_better_aligned(start, self.contig_start) {
            self.contig_start = start;
            if start < self.scan_start && self.contig > self.scan {
                self.scan = 0;
            }
        } else if start > self.scan_start || self.contig > self.scan {
            self.remember_scan(run);
        }
    }

    fn remember_scan(&mut self, run: Run) {
        self.scan_start = run.start;
        self.scan = run.len();
    }
}

/// 0 is aligned to everything, so nothing is better aligned than 0.
pub(super) const fn is_better_aligned(start: u32, than: u32) -> bool {
    start.trailing_zeros() > than.trailing_zeros()
}

const fn overlaps(run: Run, start: u32, length: u32) -> bool {
    run.start < start + length && start < run.end
}
