//! The kernel's own heap. The only file that knows which allocator it is.
//!
//! It grows by pieces, of the boot CPU's node or near it, and never shrinks: at boot by 2 MiB, later by little, since the
//! kernel keeps little for itself. Kernel objects that belong to a node's CPUs take frames there instead.

use core::alloc::{GlobalAlloc, Layout};
use core::ops::Range;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use percpu_core::{CpuId, NodeId, PAGE_SIZE};
use talc::base::Talc;
use talc::base::binning::Binning;
use talc::source::Source;
use talc::{DefaultBinning, TalcLock, min_first_heap_size};

use super::IS_CHARGED;
use crate::cpu::breath;
use crate::cpu::node::early_cpu_to_node;
use crate::memory::{frame, physical_pointer};
use crate::sync::{Held, RawLock, rank};

const PIECE: usize = 2 << 20;
/// A piece when programs run: the frames that the kernel keeps from them are few.
const LATE_PIECE: usize = 64 << 10;
/// The allocator's own words around a block.
const OVERHEAD: usize = 256;
/// Most pieces. There is no memory behind the last one.
const MOST_PIECES: usize = 64;

static OWN: TalcLock<RawLock, Frames> = TalcLock::new(Frames);
/// Physical addresses of each piece: its first byte, and the one behind its last.
static PIECES: [[AtomicU64; 2]; MOST_PIECES] =
    [const { [AtomicU64::new(0), AtomicU64::new(0)] }; MOST_PIECES];
/// How many there are. Counted up under the allocator's lock, behind the piece.
static COUNT: AtomicUsize = AtomicUsize::new(0);
static IN_USE: AtomicU64 = AtomicU64::new(0);

/// The pieces that the heap has taken, for those who count frames.
pub fn pieces() -> impl Iterator<Item = Range<u64>> {
    let known = &PIECES[..COUNT.load(Ordering::Acquire)];
    known
        .iter()
        .map(|[start, end]| start.load(Ordering::Relaxed)..end.load(Ordering::Relaxed))
}

/// Bytes that the kernel has allocated for itself.
pub fn bytes_in_use() -> u64 {
    IN_USE.load(Ordering::Relaxed)
}

/// Whether a block lies in one of the pieces.
pub fn has(block: *mut u8) -> bool {
    let physical = (block as u64).wrapping_sub(physical_pointer(0) as u64);
    pieces().any(|piece| piece.contains(&physical))
}

/// Null without memory.
pub fn allocate(layout: Layout) -> *mut u8 {
    let _held = Held::<{ rank::HEAP }>::take();
    // SAFETY: nothing here is of size 0: `GlobalAlloc` promises that.
    let block = unsafe { OWN.alloc(layout) };
    if !block.is_null() {
        IN_USE.fetch_add(layout.size() as u64, Ordering::Relaxed);
    }
    block
}

/// Takes a block back.
///
/// # Safety
/// 1. It came from [`allocate`] with this layout, and nobody uses it any more.
pub unsafe fn free(block: *mut u8, layout: Layout) {
    IN_USE.fetch_sub(layout.size() as u64, Ordering::Relaxed);
    let _held = Held::<{ rank::HEAP }>::take();
    // SAFETY: 1.
    unsafe { OWN.dealloc(block, layout) };
}

/// The frame pool as a source of heap memory.
#[derive(Debug)]
struct Frames;

// SAFETY: the frame pool does not use the heap.
unsafe impl Source for Frames {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let index = COUNT.load(Ordering::Relaxed);
        let place = PIECES.get(index).ok_or(())?;
        let needed = layout.size().checked_add(layout.align()).ok_or(())?;
        let needed = needed
            .checked_add(OVERHEAD + min_first_heap_size::<DefaultBinning>())
            .ok_or(())?;
        let needed = needed.next_multiple_of(PAGE_SIZE as usize);
        // The first pieces are taken before there is per-CPU memory.
        let node = early_cpu_to_node(CpuId::BOOT).unwrap_or(NodeId::FIRST);
        let take = |bytes: usize| {
            let frames = bytes / PAGE_SIZE as usize;
            frame::take_contiguous(node, frames, PAGE_SIZE, 0).map(|first| (first, bytes))
        };
        let piece = match IS_CHARGED.load(Ordering::Relaxed) {
            // The heap's lock is held, and interrupts' handlers free things.
            true => breath::hold(|| take(needed.max(LATE_PIECE)).or_else(|_| take(needed))),
            false => take(needed.max(PIECE)).or_else(|_| take(needed)),
        };
        let (first, bytes) = piece.map_err(|_| ())?;
        let start = first.address();
        place[0].store(start, Ordering::Relaxed);
        place[1].store(start + bytes as u64, Ordering::Relaxed);
        COUNT.store(index + 1, Ordering::Release);
        // SAFETY: these frames are mapped, writable, and now the heap's alone, for ever.
        unsafe { talc.claim(first.pointer(), bytes) }
            .map(|_| ())
            .ok_or(())
    }
}
