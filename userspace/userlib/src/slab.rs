//! `PerCpuSlab<T>`: objects that are used again, from a stack of free ones on each CPU.
//!
//! To allocate is to pop from this CPU's stack, to free is to push onto it, wherever the object came from. Neither
//! takes a lock or a system call. What one CPU has too many of goes to a common depot, from where others that have
//! none take it; that is the seldom path, with a lock, for half a stack at a time.

mod depot;
mod nodes;

use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};

pub(crate) use nodes::{Nodes, Taken};

use crate::Refusal;
use crate::allocator::{AllocateError, Allocator, Area};
use crate::stack::{HEAD_BYTES, Stack};

/// A cache of objects for each CPU.
///
/// ```ignore
/// let slab = PerCpuSlab::<Job>::new(&allocator)?;
/// let mut job = slab.allocate(Job::new())?;   // a pop
/// job.run();
/// drop(job);                                  // a push
/// ```
///
/// | operation | instructions |
/// |---|---|
/// | `allocate` and drop, hit | at most 40 together, beside writing and dropping the value; none locked |
/// | miss | a lock, and half a stack (32) of objects moved; a system call if there was no memory left |
///
/// An object may be freed on another CPU, and by another thread, than where it was allocated. Each object costs a
/// word beside the value. Memory is kept until the slab is dropped; the free objects of a CPU that is off, at most 64, stay on
/// its stack until it is back.
#[derive(Debug)]
pub struct PerCpuSlab<'r, T> {
    nodes: Nodes<'r, T>,
    _head: Area<'r>,
}

impl<'r, T> PerCpuSlab<'r, T> {
    /// A slab without objects. The stacks' heads, 16 bytes in each unit, are an area of the allocator.
    ///
    /// # Errors
    /// See [`AllocateError`].
    pub fn new(allocator: &'r Allocator) -> Result<Self, AllocateError> {
        let head = allocator.allocate(HEAD_BYTES, HEAD_BYTES)?;
        let pair = head.pair_of_allocator().ok_or(AllocateError::NoRoom)?;
        // SAFETY: the area is ours until the slab is dropped, and nobody uses its stacks then.
        let stack = unsafe { Stack::new(pair) };
        let nodes = Nodes::new(stack);
        Ok(PerCpuSlab { nodes, _head: head })
    }

    /// An object with this value.
    ///
    /// # Errors
    /// The kernel's refusal of memory; the value is dropped.
    #[inline(always)]
    pub fn allocate(&self, value: T) -> Result<SlabBox<'_, T>, Refusal> {
        self.allocate_interrupted(value, || ())
    }

    /// The same, for tests: `between` happens at the worst moment, when this CPU's stack was looked at and is not
    /// changed yet; again if it has to be looked at again. It may allocate and free.
    ///
    /// # Errors
    /// The kernel's refusal of memory; the value is dropped.
    #[doc(hidden)]
    #[inline(always)]
    pub fn allocate_interrupted(&self, value: T, between: impl FnMut()) -> Result<SlabBox<'_, T>, Refusal> {
        let node = self.nodes.take_interrupted(between)?;
        // SAFETY: the node is ours, and has room for a value.
        unsafe { node.value().write(value) };
        let node = ManuallyDrop::new(node);
        let nodes = &self.nodes;
        Ok(SlabBox { node, nodes })
    }

    /// Checks the records of all CPUs, while no thread allocates or frees.
    ///
    /// # Errors
    /// The first CPU whose records are damaged.
    pub fn verify(&self) -> Result<(), usize> {
        self.nodes.verify()
    }
}

/// An object of a slab; goes back to the slab when it is dropped.
#[derive(Debug)]
pub struct SlabBox<'s, T> {
    node: ManuallyDrop<Taken<T>>,
    nodes: &'s Nodes<'s, T>,
}

// SAFETY: it owns its value and no more.
unsafe impl<T: Send> Send for SlabBox<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for SlabBox<'_, T> {}

impl<T> Deref for SlabBox<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: `allocate` has put a value there, and it is ours.
        unsafe { self.node.value().as_ref() }
    }
}

impl<T> DerefMut for SlabBox<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { self.node.value().as_mut() }
    }
}

impl<T> Drop for SlabBox<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the value is ours and is not used again.
        unsafe { self.node.value().drop_in_place() };
        // SAFETY: the node is taken out this once.
        self.nodes.give(unsafe { ManuallyDrop::take(&mut self.node) });
    }
}
