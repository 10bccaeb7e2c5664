//! Physical frames, by node.
//!
//! One bitmap over all frames, a set bit for a free one. Nodes share words of it, so words are atomic; each
//! node's frames change hands only under that node's lock. Frames are zeroed when they are handed out, which
//! keeps one program's data from another, and a program's end short.

use core::array;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use percpu_core::{MAX_NODES, NodeId, PAGE_SIZE, Topology};

use super::{PhysicalRange, physical_pointer};
use crate::boot::info::Memory;
use crate::log;
use crate::sync::{Lock, Once};

const MAX_SPANS: usize = 192;
/// What the page tables of the boot door map.
const BOOT_CEILING: u64 = 4 << 30;

/// A frame of 4 KiB, by its address. Holding the number does not mean owning the frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PhysicalFrame(u64);

impl PhysicalFrame {
    /// The frame at this address, which is a multiple of the page.
    #[must_use]
    pub fn from_address(address: u64) -> PhysicalFrame {
        assert!(address.is_multiple_of(PAGE_SIZE), "a frame at {address:#x}");
        PhysicalFrame(address)
    }

    /// Its physical address.
    #[must_use]
    pub fn address(self) -> u64 {
        self.0
    }

    /// Its first byte in the physical map.
    #[must_use]
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

/// Free memory of one node at boot, in frame numbers.
#[derive(Clone, Copy, Default)]
struct Span {
    node: NodeId,
    first: u64,
    end: u64,
}

/// What never changes after boot.
struct Frames {
    bitmap: &'static [AtomicU64],
    spans: [Span; MAX_SPANS],
    span_count: usize,
    topology: &'static Topology,
}

/// One node's share. Guarded by its lock: `next`, `free`, and the bits of the node's frames.
struct Pool {
    /// Where the search for a single frame goes on.
    next: u64,
    free: u64,
}

static FRAMES: Once<Frames> = Once::new();
static POOLS: [Lock<Pool>; MAX_NODES] = [const { Lock::new(Pool { next: 0, free: 0 }) }; MAX_NODES];
/// No frame at or above this address is handed out: it is not mapped yet.
static CEILING: AtomicU64 = AtomicU64::new(BOOT_CEILING);

/// Takes over all usable memory. The bitmap lies in the first piece of it that is large enough.
pub fn initialize(memory: &Memory, topology: &'static Topology) {
    let end = memory
        .usable()
        .map(|range| range.end)
        .max()
        .expect("the machine has memory");
    let words = (end / PAGE_SIZE).div_ceil(64);
    let bytes = (words * 8).next_multiple_of(PAGE_SIZE);
    let fits = |range: &PhysicalRange| range.end.min(BOOT_CEILING).saturating_sub(range.start) >= bytes;
    let place = memory
        .usable()
        .find(fits)
        .expect("room for the frame bitmap below 4 GiB")
        .start;
    clear(place, bytes);
    // SAFETY: usable memory that nobody owns yet, mapped, page aligned and zeroed; it is never given away.
    let bitmap = unsafe { core::slice::from_raw_parts(physical_pointer(place).cast(), words as usize) };
    let mut frames = Frames {
        bitmap,
        spans: [Span::default(); MAX_SPANS],
        span_count: 0,
        topology,
    };
    for mut range in memory.usable() {
        if range.start == place {
            range.start += bytes;
        }
        frames.add_by_node(range);
    }
    let frames = FRAMES.call_once(|| frames);
    for span in frames.spans() {
        for frame in span.first..span.end {
            frames.word(frame).fetch_or(bit(frame), Ordering::Relaxed);
        }
        POOLS[span.node.index()].lock().free += span.end - span.first;
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
///
/// # Errors
/// The node has none.
pub fn allocate_on(node: NodeId) -> Result<PhysicalFrame, Exhausted> {
    let exhausted = Exhausted { node: Some(node) };
    let frame = frames().take_one(node).ok_or(exhausted)?;
    frame.clear();
    Ok(frame)
}

/// A zeroed frame of this node, or else of the nearest that has one.
///
/// # Errors
/// No node has one.
pub fn allocate_near(node: NodeId) -> Result<PhysicalFrame, Exhausted> {
    allocate_on(node).or_else(|_| {
        let mut others = frames().nearest_first(node);
        others
            .find_map(|other| allocate_on(other).ok())
            .ok_or(Exhausted { node: None })
    })
}

/// Zeroed frames in one piece, of this node or else of the nearest that has them.
///
/// # Errors
/// No node has them.
pub fn allocate_contiguous(
    node: NodeId,
    count: usize,
    align_bytes: u64,
    at_or_above: u64,
) -> Result<PhysicalFrame, Exhausted> {
    let align = (align_bytes / PAGE_SIZE).max(1);
    let lowest = at_or_above.div_ceil(PAGE_SIZE);
    let mut nodes = frames().nearest_first(node);
    let found = nodes.find_map(|node| frames().take_many(node, count as u64, align, lowest));
    let frame = found.ok_or(Exhausted { node: None })?;
    clear(frame.0, count as u64 * PAGE_SIZE);
    Ok(frame)
}

/// Takes a frame back. Its owner calls this, once.
pub fn free(frame: PhysicalFrame) {
    frames().give(frame.0 / PAGE_SIZE);
}

/// Takes whole frames back.
pub fn free_range(start: u64, bytes: u64) {
    assert!(
        (start | bytes).is_multiple_of(PAGE_SIZE),
        "freeing {bytes:#x} bytes at {start:#x}"
    );
    (start / PAGE_SIZE..(start + bytes) / PAGE_SIZE).for_each(|frame| frames().give(frame));
}

/// Free frames of a node.
#[must_use]
pub fn free_count(node: NodeId) -> u64 {
    POOLS.get(node.index()).map_or(0, |pool| pool.lock().free)
}

/// Free frames of the machine.
#[must_use]
pub fn total_free() -> u64 {
    frames().topology.nodes().map(free_count).sum()
}

fn frames() -> &'static Frames {
    FRAMES.get().expect("frames are there before anyone asks for one")
}

fn bit(frame: u64) -> u64 {
    1 << (frame % 64)
}

fn clear(physical: u64, bytes: u64) {
    // SAFETY: only memory that its owner asked to clear, or that is just being handed out, comes here, and it
    // lies below the ceiling, so it is mapped.
    unsafe { physical_pointer(physical).write_bytes(0, bytes as usize) }
}

impl Frames {
    /// Splits a usable range at the borders of nodes. What no node claims is node 0's.
    fn add_by_node(&mut self, range: PhysicalRange) {
        let mut start = range.start;
        while start < range.end {
            let borders = self
                .topology
                .memory_ranges()
                .iter()
                .flat_map(|range| [range.base, range.end()]);
            let borders = borders.map(|border| border.next_multiple_of(PAGE_SIZE));
            let end = borders.filter(|border| *border > start).fold(range.end, u64::min);
            self.add(Span {
                node: self.node_of(start),
                first: start / PAGE_SIZE,
                end: end / PAGE_SIZE,
            });
            start = end;
        }
    }

    fn add(&mut self, span: Span) {
        match self.spans.get_mut(self.span_count) {
            Some(slot) => {
                *slot = span;
                self.span_count += 1;
            }
            None => log!(
                "frames: no room to remember {:#x} frames, they stay unused",
                span.end - span.first
            ),
        }
    }

    fn node_of(&self, address: u64) -> NodeId {
        self.topology.node_of_address(address).unwrap_or(NodeId::FIRST)
    }

    fn spans(&self) -> &[Span] {
        &self.spans[..self.span_count]
    }

    fn spans_of(&self, node: NodeId) -> impl Iterator<Item = Span> + Clone + '_ {
        self.spans().iter().copied().filter(move |span| span.node == node)
    }

    fn word(&self, frame: u64) -> &AtomicU64 {
        &self.bitmap[frame as usize / 64]
    }

    /// All nodes, `node` first, then by distance from it.
    fn nearest_first(&self, node: NodeId) -> impl Iterator<Item = NodeId> + use<> {
        let count = self.topology.node_count();
        let mut nodes: [NodeId; MAX_NODES] = array::from_fn(|index| NodeId::new(index as u16));
        nodes[..count]
            .sort_unstable_by_key(|other| (*other != node, self.topology.distance(node, *other), *other));
        nodes.into_iter().take(count)
    }

    fn take_one(&self, node: NodeId) -> Option<PhysicalFrame> {
        let mut pool = POOLS.get(node.index())?.lock();
        if pool.free == 0 {
            return None;
        }
        let next = pool.next;
        let found = self
            .first_in(node, next..u64::MAX)
            .or_else(|| self.first_in(node, 0..next))?;
        self.take(&mut pool, found..found + 1);
        pool.next = found + 1;
        Some(PhysicalFrame(found * PAGE_SIZE))
    }

    fn first_in(&self, node: NodeId, within: Range<u64>) -> Option<u64> {
        let within = within.start..within.end.min(ceiling());
        self.spans_of(node).find_map(|span| {
            let range = span.first.max(within.start)..span.end.min(within.end);
            self.first_matching(range, true)
        })
    }

    fn take_many(&self, node: NodeId, count: u64, align: u64, lowest: u64) -> Option<PhysicalFrame> {
        let mut pool = POOLS.get(node.index())?.lock();
        let found = self.spans_of(node).find_map(|span| {
            let end = span.end.min(ceiling());
            let mut candidate = span.first.max(lowest).next_multiple_of(align);
            while candidate + count <= end {
                match self.first_matching(candidate..candidate + count, false) {
                    None => return Some(candidate),
                    Some(used) => candidate = (used + 1).next_multiple_of(align),
                }
            }
            None
        })?;
        self.take(&mut pool, found..found + count);
        Some(PhysicalFrame(found * PAGE_SIZE))
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
        for frame in range {
            self.word(frame).fetch_and(!bit(frame), Ordering::Relaxed);
        }
    }

    fn give(&self, frame: u64) {
        let node = self.node_of(frame * PAGE_SIZE);
        let mut pool = POOLS[node.index()].lock();
        let before = self.word(frame).fetch_or(bit(frame), Ordering::Relaxed);
        assert!(
            before & bit(frame) == 0,
            "frame {:#x} was free already",
            frame * PAGE_SIZE
        );
        pool.free += 1;
    }
}

fn ceiling() -> u64 {
    CEILING.load(Ordering::Relaxed) / PAGE_SIZE
}
