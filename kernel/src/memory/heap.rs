//! The kernel's heap. The only file that knows which allocator it is.
//!
//! It grows by pieces of 2 MiB, of the boot CPU's node or near it, and never shrinks. Kernel objects that
//! belong to a node's CPUs take frames there instead.

use core::alloc::{GlobalAlloc, Layout};

use arrayvec::ArrayVec;
use percpu_core::{CpuId, NodeId, PAGE_SIZE};
use talc::base::Talc;
use talc::base::binning::Binning;
use talc::source::Source;
use talc::{DefaultBinning, TalcLock, min_first_heap_size};

use super::{PhysicalRange, frame};
use crate::cpu::node::early_cpu_to_node;
use crate::sync::{Held, Lock, RawLock, rank};

const PIECE: usize = 2 << 20;
/// The allocator's own words around a block.
const OVERHEAD: usize = 256;

#[global_allocator]
static HEAP: Heap = Heap(TalcLock::new(Frames));

/// The allocator, whose lock has a rank like every other.
struct Heap(TalcLock<RawLock, Frames>);

// SAFETY: everything is the allocator's within.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _held = Held::<{ rank::HEAP }>::take();
        // SAFETY: the caller's obligations are the same.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let _held = Held::<{ rank::HEAP }>::take();
        // SAFETY: the caller's obligations are the same.
        unsafe { self.0.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        let _held = Held::<{ rank::HEAP }>::take();
        // SAFETY: the caller's obligations are the same.
        unsafe { self.0.realloc(block, layout, bytes) }
    }
}

/// How many pieces are remembered: those of boot.
const REMEMBERED: usize = 16;

/// The first pieces.
static PIECES: Lock<ArrayVec<PhysicalRange, REMEMBERED>, { rank::PIECES }> = Lock::new(ArrayVec::new_const());

/// The first pieces that the heap took, for those who count frames at boot.
pub fn pieces() -> ArrayVec<PhysicalRange, REMEMBERED> {
    PIECES.lock().clone()
}

/// The frame pool as a source of heap memory.
#[derive(Debug)]
struct Frames;

// SAFETY: the frame pool does not use the heap.
unsafe impl Source for Frames {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let needed = layout.size().checked_add(layout.align()).ok_or(())?;
        let needed = needed
            .checked_add(OVERHEAD + min_first_heap_size::<DefaultBinning>())
            .ok_or(())?;
        let needed = needed.next_multiple_of(PAGE_SIZE as usize);
        // The first pieces are taken before there is per-CPU memory.
        let node = early_cpu_to_node(CpuId::BOOT).unwrap_or(NodeId::FIRST);
        let take = |bytes: usize| {
            let frames = bytes / PAGE_SIZE as usize;
            frame::allocate_contiguous(node, frames, PAGE_SIZE, 0).map(|first| (first, bytes))
        };
        let piece = take(needed.max(PIECE)).or_else(|_| take(needed));
        let (first, bytes) = piece.map_err(|_| ())?;
        let start = first.address();
        let _ = PIECES.lock().try_push(PhysicalRange {
            start,
            end: start + bytes as u64,
        });
        // SAFETY: these frames are mapped, writable, and now the heap's alone, for ever.
        unsafe { talc.claim(first.pointer(), bytes) }
            .map(|_| ())
            .ok_or(())
    }
}
