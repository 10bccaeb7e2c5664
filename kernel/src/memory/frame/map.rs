//! Which frames are free: the bitmap, and where each node's part of it lies.

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use arrayvec::ArrayVec;
use percpu_core::{NodeId, PAGE_SIZE, Topology};

use super::{CEILING, POOLS, PhysicalFrame, Pool, Purpose};
use crate::cpu;
use crate::log;

const MAX_SPANS: usize = 192;

/// Free memory of one node at boot, in frame numbers.
#[derive(Clone, Copy)]
pub struct Span {
    pub node: NodeId,
    pub first: u64,
    pub end: u64,
}

/// What never changes after boot.
pub struct Frames {
    pub bitmap: &'static [AtomicU64],
    pub spans: ArrayVec<Span, MAX_SPANS>,
    pub topology: &'static Topology,
}

/// A frame's bit in its word.
fn bit(frame: u64) -> u64 {
    1 << (frame % 64)
}

fn ceiling() -> u64 {
    CEILING.load(Ordering::Relaxed) / PAGE_SIZE
}

/// Holes that are tried before interrupts are let in.
const STEPS: u64 = 256;

/// What came of looking for frames in a row.
enum Tried {
    Taken(PhysicalFrame),
    /// There are none that begin below this frame.
    NotBelow(u64),
}

impl Frames {
    /// Adds a usable range.
    pub fn add(&mut self, range: Range<u64>) {
        for (piece, node) in self.topology.split_by_node(range) {
            let (first, end) = (piece.start / PAGE_SIZE, piece.end / PAGE_SIZE);
            let span = Span { node, first, end };
            if self.spans.try_push(span).is_err() {
                log!(
                    "frames: no room to remember {:#x} frames, they stay unused",
                    end - first
                );
            }
        }
    }

    pub fn spans_of(&self, node: NodeId) -> impl Iterator<Item = Span> + Clone + '_ {
        self.spans.iter().copied().filter(move |span| span.node == node)
    }

    fn word(&self, frame: u64) -> &AtomicU64 {
        &self.bitmap[frame as usize / 64]
    }

    pub fn take_one(&self, node: NodeId, purpose: Purpose) -> Option<PhysicalFrame> {
        let mut pool = POOLS.get(node.index())?.lock();
        let kept = match purpose {
            Purpose::Any => pool.promised,
            Purpose::Promised => 0,
        };
        if pool.free <= kept {
            return None;
        }
        let next = pool.next;
        let found = self
            .first_in(node, next..u64::MAX)
            .or_else(|| self.first_in(node, 0..next))?;
        self.take(&mut pool, found..found + 1);
        pool.next = found + 1;
        if purpose == Purpose::Promised {
            pool.promised -= 1;
        }
        Some(PhysicalFrame(found * PAGE_SIZE))
    }

    fn first_in(&self, node: NodeId, within: Range<u64>) -> Option<u64> {
        let within = within.start..within.end.min(ceiling());
        self.spans_of(node).find_map(|span| {
            let range = span.first.max(within.start)..span.end.min(within.end);
            self.first_matching(range, true)
        })
    }

    pub fn take_many(&self, node: NodeId, count: u64, align: u64, mut lowest: u64) -> Option<PhysicalFrame> {
        loop {
            match self.take_near_here(node, count, align, lowest)? {
                Tried::Taken(frame) => return Some(frame),
                // How many holes there are is up to programs.
                Tried::NotBelow(next) => lowest = next,
            }
            cpu::breathe();
        }
    }

    /// The same, as far as a bounded number of steps goes.
    fn take_near_here(&self, node: NodeId, count: u64, align: u64, lowest: u64) -> Option<Tried> {
        let mut pool = POOLS.get(node.index())?.lock();
        if pool.free - pool.promised < count {
            return None;
        }
        let mut steps = 0;
        for span in self.spans_of(node) {
            let end = span.end.min(ceiling());
            let mut candidate = span.first.max(lowest).next_multiple_of(align);
            while candidate + count <= end {
                let Some(used) = self.first_matching(candidate..candidate + count, false) else {
                    self.take(&mut pool, candidate..candidate + count);
                    return Some(Tried::Taken(PhysicalFrame(candidate * PAGE_SIZE)));
                };
                candidate = (used + 1).next_multiple_of(align);
                steps += 1;
                if steps == STEPS {
                    return Some(Tried::NotBelow(candidate));
                }
            }
        }
        None
    }

    /// How many frames of a node are free, by their bits.
    pub fn count_free(&self, node: NodeId) -> u64 {
        let is_free = |frame: &u64| self.word(*frame).load(Ordering::Relaxed) & bit(*frame) != 0;
        let frames = self.spans_of(node).flat_map(|span| span.first..span.end);
        frames.filter(is_free).count() as u64
    }

    /// The first frame of the range that is free, or that is not.
    fn first_matching(&self, range: Range<u64>, free: bool) -> Option<u64> {
        let mut frame = range.start;
        while frame < range.end {
            let word = self.word(frame).load(Ordering::Relaxed);
            let matching = if free { word } else { !word } & (u64::MAX << (frame % 64));
            if matching != 0 {
                let found = frame / 64 * 64 + u64::from(matching.trailing_zeros());
                return (found < range.end).then_some(found);
            }
            frame = (frame / 64 + 1) * 64;
        }
        None
    }

    fn take(&self, pool: &mut Pool, range: Range<u64>) {
        pool.free -= range.end - range.start;
        for (word, mask) in words(range) {
            self.bitmap[word].fetch_and(!mask, Ordering::Relaxed);
        }
    }

    /// Takes frames back that were handed out, node by node.
    pub fn give(&self, range: Range<u64>, purpose: Purpose) {
        let mut first = range.start;
        while first < range.end {
            let span = self.span_of(first);
            let part = first..range.end.min(span.end);
            first = part.end;
            let mut pool = POOLS[span.node.index()].lock();
            let count = part.end - part.start;
            pool.free += count;
            if purpose == Purpose::Promised {
                pool.promised += count;
            }
            for (word, mask) in words(part) {
                let twice = self.bitmap[word].fetch_or(mask, Ordering::Relaxed) & mask;
                let frame = word as u64 * 64 + u64::from(twice.trailing_zeros());
                assert!(twice == 0, "frame {:#x} was free already", frame * PAGE_SIZE);
            }
        }
    }

    fn span_of(&self, frame: u64) -> Span {
        let mut spans = self.spans.iter();
        let span = spans.find(|span| (span.first..span.end).contains(&frame));
        *span.unwrap_or_else(|| panic!("frame {:#x} was never handed out", frame * PAGE_SIZE))
    }
}

/// The words that hold the bits of these frames, each with those bits.
fn words(range: Range<u64>) -> impl Iterator<Item = (usize, u64)> {
    let Range { start, end } = range;
    (start / 64..end.div_ceil(64)).map(move |word| {
        let below = |frame: u64| match frame.saturating_sub(word * 64) {
            bits @ 0..64 => (1 << bits) - 1,
            _ => u64::MAX,
        };
        (word as usize, below(end) & !below(start))
    })
}
