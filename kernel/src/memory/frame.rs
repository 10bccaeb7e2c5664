//! Physical frames, by node.
//!
//! One bitmap over all frames, a set bit for a free one. Nodes share words of it, so words are atomic; each
//! node's frames change hands only under that node's lock. Frames are zeroed when they are handed out, which
//! keeps one program's data from another, and a program's end short.

mod map;

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use arrayvec::ArrayVec;
use percpu_core::{MAX_NODES, NodeId, PAGE_SIZE, Topology};

use super::{MAPPED_AT_BOOT, physical_pointer};
use crate::boot::info::Memory;
use crate::log;
use crate::sync::{Lock, Once, rank};
use map::Frames;

/// A frame of 4 KiB, by its address. Holding the number does not mean owning the frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PhysicalFrame(u64);

impl PhysicalFrame {
    /// The frame at this address, which is a multiple of the page.
    pub fn from_address(address: u64) -> PhysicalFrame {
        assert!(address.is_multiple_of(PAGE_SIZE), "a frame at {address:#x}");
        PhysicalFrame(address)
    }

    /// Its physical address.
    pub fn address(self) -> u64 {
        self.0
    }

    /// Its first byte in the physical map.
    pub fn pointer(self) -> *mut u8 {
        physical_pointer(self.0)
    }

    /// Fills it with zeros. Its owner calls this.
    pub fn clear(self) {
        clear(self.0, PAGE_SIZE);
    }
}

/// There is no free frame: on the node that had to serve, or on any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exhausted {
    /// The node; `None` when no node could.
    pub node: Option<NodeId>,
}

/// Whom a frame is for, or was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Whoever asks.
    Any,
    /// Those who were promised it.
    Promised,
}

/// One node's share. Guarded by its lock: its fields, and the bits of the node's frames.
struct Pool {
    /// Where the search for a single frame goes on.
    next: u64,
    free: u64,
    /// Of these: frames that are kept for memory that is populated on touch.
    promised: u64,
}

impl Pool {
    const EMPTY: Pool = Pool {
        next: 0,
        free: 0,
        promised: 0,
    };
}

static FRAMES: Once<Frames> = Once::new();
static POOLS: [Lock<Pool, { rank::FRAMES }>; MAX_NODES] = [const { Lock::new(Pool::EMPTY) }; MAX_NODES];
/// No frame at or above this address is handed out: it is not mapped yet.
static CEILING: AtomicU64 = AtomicU64::new(MAPPED_AT_BOOT);

/// Takes over all usable memory. The bitmap lies in the first piece of it that is large enough.
pub fn initialize(memory: &Memory, topology: &'static Topology) {
    let ends = memory.usable.iter().map(|range| range.end);
    let end = ends.max().expect("the machine has memory");
    let words = (end / PAGE_SIZE).div_ceil(64);
    let bytes = (words * 8).next_multiple_of(PAGE_SIZE);
    let fits = |range: &&Range<u64>| range.end.min(MAPPED_AT_BOOT).saturating_sub(range.start) >= bytes;
    let place = memory.usable.iter().find(fits);
    let place = place.expect("room for the frame bitmap below 4 GiB").start;
    clear(place, bytes);
    // SAFETY: usable memory that nobody owns yet, mapped, page aligned and zeroed; it is never given away.
    let bitmap = unsafe { core::slice::from_raw_parts(physical_pointer(place).cast(), words as usize) };
    let mut frames = Frames {
        bitmap,
        spans: ArrayVec::new(),
        topology,
    };
    for range in &memory.usable {
        let taken = if range.start == place { bytes } else { 0 };
        frames.add(range.start + taken..range.end);
    }
    let frames = FRAMES.call_once(|| frames);
    for span in &frames.spans {
        frames.give(span.first..span.end, Purpose::Any);
    }
    for node in topology.nodes() {
        let (first, end) = frames.spans_of(node).fold((u64::MAX, 0), |(first, end), span| {
            (span.first.min(first), span.end.max(end))
        });
        let (first, end) = (first.min(end) * PAGE_SIZE, end * PAGE_SIZE);
        log!(
            "frames: node {node} {first:#x}-{end:#x} free {}",
            free_count(node)
        );
    }
}

/// Lets frames above 4 GiB be handed out: from here on they are mapped.
pub fn lift_ceiling() {
    CEILING.store(u64::MAX, Ordering::Relaxed);
}

/// A zeroed frame of this node.
pub fn allocate_on(node: NodeId) -> Result<PhysicalFrame, Exhausted> {
    take_on(node).inspect(|frame| frame.clear())
}

fn take_on(node: NodeId) -> Result<PhysicalFrame, Exhausted> {
    let exhausted = Exhausted { node: Some(node) };
    frames().take_one(node, Purpose::Any).ok_or(exhausted)
}

/// A zeroed frame of this node, or else of the nearest that has one.
pub fn allocate_near(node: NodeId) -> Result<PhysicalFrame, Exhausted> {
    take_near(node).inspect(|frame| frame.clear())
}

/// The same with what its last owner left in it: for an owner that fills it.
pub fn take_near(node: NodeId) -> Result<PhysicalFrame, Exhausted> {
    take_on(node).or_else(|_| {
        let mut nodes = frames().topology.nearest_first(node);
        let found = nodes.find_map(|other| take_on(other).ok());
        found.ok_or(Exhausted { node: None })
    })
}

/// Frames in one piece, of this node or else of the nearest that has them, with what their last owners left in them.
pub fn take_contiguous(
    node: NodeId,
    count: usize,
    align_bytes: u64,
    at_or_above: u64,
) -> Result<PhysicalFrame, Exhausted> {
    let align = (align_bytes / PAGE_SIZE).max(1);
    let lowest = at_or_above.div_ceil(PAGE_SIZE);
    let mut nodes = frames().topology.nearest_first(node);
    let found = nodes.find_map(|node| frames().take_many(node, count as u64, align, lowest));
    found.ok_or(Exhausted { node: None })
}

/// Keeps frames of a node for [`allocate_promised`]. They stay free until then.
pub fn promise(node: NodeId, count: u64) -> Result<(), Exhausted> {
    let exhausted = Exhausted { node: Some(node) };
    let mut pool = POOLS.get(node.index()).ok_or(exhausted)?.lock();
    if pool.free - pool.promised < count {
        return Err(exhausted);
    }
    pool.promised += count;
    Ok(())
}

/// Takes a promise back.
pub fn break_promise(node: NodeId, count: u64) {
    POOLS[node.index()].lock().promised -= count;
}

/// A zeroed frame that was promised.
pub fn allocate_promised(node: NodeId) -> PhysicalFrame {
    let frame = frames().take_one(node, Purpose::Promised);
    let frame = frame.expect("promised frames are free");
    frame.clear();
    frame
}

/// Takes a frame back, and promises it again.
pub fn free_promised(frame: PhysicalFrame) {
    give_back(frame.0, PAGE_SIZE, Purpose::Promised);
}

/// Takes a frame back. Its owner calls this, once.
pub fn free(frame: PhysicalFrame) {
    give_back(frame.0, PAGE_SIZE, Purpose::Any);
}

/// Takes whole frames back.
pub fn free_range(start: u64, bytes: u64) {
    give_back(start, bytes, Purpose::Any);
}

fn give_back(start: u64, bytes: u64, purpose: Purpose) {
    assert!(
        (start | bytes).is_multiple_of(PAGE_SIZE),
        "freeing {bytes:#x} bytes at {start:#x}"
    );
    frames().give(start / PAGE_SIZE..(start + bytes) / PAGE_SIZE, purpose);
}

/// Free frames of a node.
pub fn free_count(node: NodeId) -> u64 {
    POOLS.get(node.index()).map_or(0, |pool| pool.lock().free)
}

/// Frames of a node when the kernel took over.
pub fn count_at_boot(node: NodeId) -> u64 {
    frames().spans_of(node).map(|span| span.end - span.first).sum()
}

/// Free frames of a node, bit by bit: what [`free_count`] must say. For when nobody else takes any.
pub fn count_free(node: NodeId) -> u64 {
    let free = frames().count_free(node);
    assert!(
        free == free_count(node),
        "node {node}: {free} frames are free, not {}",
        free_count(node)
    );
    free
}

/// The node of a frame.
pub fn node_of(frame: PhysicalFrame) -> NodeId {
    let node = frames().topology.node_of_address(frame.0);
    node.unwrap_or(NodeId::FIRST)
}

/// Free frames of the machine.
pub fn total_free() -> u64 {
    frames().topology.nodes().map(free_count).sum()
}

fn frames() -> &'static Frames {
    FRAMES.get().expect("frames are there before anyone asks for one")
}

fn clear(physical: u64, bytes: u64) {
    // SAFETY: only memory that its owner asked to clear, or that is just being handed out, comes here, and it
    // lies below the ceiling, so it is mapped.
    unsafe { physical_pointer(physical).write_bytes(0, bytes as usize) }
}
