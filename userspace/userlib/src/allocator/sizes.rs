//! Stacks of freed areas, one for each CPU and size, in front of the allocator.
//!
//! The nodes of the stacks are ordinary memory, of a slab of their own, and hold the areas' offsets: a freed area is
//! not touched, and may lose its page while a thread that was away still looks at its node.

use crate::cell::{Offset, PerCpuPair};
use crate::slab::Nodes;
use crate::stack::{HEAD_BYTES, Stack};

/// Classes: 4 and 8 bytes, the widths of cells.
const CLASSES: usize = 2;
const SMALLEST: usize = 4;

/// The class of a cell of so many bytes.
pub const fn size_class(bytes: usize) -> usize {
    assert!(bytes <= SMALLEST << (CLASSES - 1), "larger than any cell");
    if bytes <= SMALLEST { 0 } else { 1 }
}

/// The bytes of a class's areas.
pub const fn bytes(class: usize) -> usize {
    SMALLEST << class
}

/// The stacks of all sizes. The heads lie in the allocator's first page, which is there as long as itself; hence
/// `'static`.
#[derive(Debug)]
pub struct Sizes {
    stacks: [Stack<'static>; CLASSES],
    nodes: Nodes<'static, usize>,
}

impl Sizes {
    /// Bytes of an area for the heads of the stacks.
    pub const HEAD_BYTES: usize = (CLASSES + 1) * HEAD_BYTES;

    /// Empty stacks, with their heads at an offset of the window.
    ///
    /// # Safety
    /// There lie [`Self::HEAD_BYTES`] bytes of populated per-CPU memory that nobody else uses, neither now nor as
    /// long as this exists.
    pub unsafe fn new(heads: usize) -> Option<Sizes> {
        let stack = |index: usize| -> Option<Stack<'static>> {
            let head = PerCpuPair::<Offset<'static>>::in_region(heads + index * HEAD_BYTES)?;
            // SAFETY: the caller's obligation; each stack has a head of its own.
            Some(unsafe { Stack::new(head) })
        };
        Some(Sizes {
            stacks: [stack(0)?, stack(1)?],
            nodes: Nodes::new(stack(CLASSES)?),
        })
    }

    /// The area on top of this CPU's stack, if there is one.
    #[inline(always)]
    pub fn pop(&self, class: usize) -> Option<usize> {
        let node = self.nodes.adopt(self.stacks[class].pop()?);
        // SAFETY: `push` has written a value before it pushed the node.
        let offset = unsafe { node.value().read() };
        self.nodes.give(node);
        Some(offset)
    }

    /// Puts an area on top of this CPU's stack. Whether there was room, and a node.
    #[inline(always)]
    pub fn push(&self, class: usize, offset: usize) -> bool {
        let Ok(node) = self.nodes.take() else {
            return false;
        };
        // SAFETY: the node is ours.
        unsafe { node.value().write(offset) };
        match node.push_onto(self.stacks[class]) {
            Ok(()) => true,
            Err(node) => {
                self.nodes.give(node);
                false
            }
        }
    }

    /// An area of any class from this CPU's stacks.
    pub fn pop_any(&self) -> Option<usize> {
        (0..CLASSES).find_map(|class| self.pop(class))
    }

    /// Areas on all stacks.
    pub fn count(&self) -> usize {
        self.stacks.iter().map(|stack| stack.count() as usize).sum()
    }
}
