//! Nodes for objects: this CPU's stack of free ones first, then the depot that all CPUs share.

use core::mem::MaybeUninit;
use core::ptr::NonNull;

use super::depot::Depot;
use crate::Refusal;
use crate::stack::{Full, Link, Stack};
use crate::sync::Mutex;

/// How many nodes go from or to the depot at a time.
const BATCH: usize = Stack::MOST as usize / 2;

/// Where an object lies. The link is apart from the value, because a thread that was away may read it at any time.
#[repr(C)]
#[derive(Debug)]
pub struct Node<T> {
    link: Link,
    value: MaybeUninit<T>,
}

/// A node that is its holder's alone.
#[derive(Debug)]
pub struct Taken<T>(NonNull<Node<T>>);

impl<T> Taken<T> {
    /// Where the value lies, or will lie.
    #[inline(always)]
    pub fn value(&self) -> NonNull<T> {
        // SAFETY: the node is mapped; this makes no reference to its link.
        unsafe { NonNull::new_unchecked(&raw mut (*self.0.as_ptr()).value) }.cast()
    }
}

impl<T> Taken<T> {
    /// Pushes the node onto another stack, whoever pops it has it then; or gives it back if that is full.
    #[inline(always)]
    pub fn push_onto(self, stack: Stack<'_>) -> Result<(), Taken<T>> {
        // SAFETY: the node is ours; it is mapped as long as its depot exists, which whoever has both stacks sees to.
        unsafe { stack.push(self.0.cast()) }.map_err(|Full| self)
    }
}

/// All nodes of a slab.
#[derive(Debug)]
pub struct Nodes<'r, T> {
    stack: Stack<'r>,
    depot: Mutex<Depot<Node<T>>>,
}

// SAFETY: nodes go from thread to thread without their values, or with values whose holder answers for that.
unsafe impl<T> Send for Nodes<'_, T> {}
// SAFETY: as above; the stack is for all threads, and the depot has a lock.
unsafe impl<T> Sync for Nodes<'_, T> {}

impl<'r, T> Nodes<'r, T> {
    /// None yet.
    pub fn new(stack: Stack<'r>) -> Self {
        let depot = Mutex::new(Depot::new());
        Nodes { stack, depot }
    }

    /// Checks the stacks, while nobody takes or gives; see [`Stack::verify`].
    pub fn verify(&self) -> Result<(), usize> {
        self.stack.verify()
    }

    /// A free node.
    #[inline(always)]
    pub fn take(&self) -> Result<Taken<T>, Refusal> {
        self.take_interrupted(|| ())
    }

    /// The same with an interruption: see [`Stack::pop_interrupted`].
    #[inline(always)]
    pub fn take_interrupted(&self, between: impl FnMut()) -> Result<Taken<T>, Refusal> {
        match self.stack.pop_interrupted(between) {
            Some(link) => Ok(Taken(link.cast())),
            None => self.refill(),
        }
    }

    /// Takes a node back; what was its value is gone.
    #[inline(always)]
    pub fn give(&self, node: Taken<T>) {
        // SAFETY: the node is ours; it is mapped as long as the depot exists.
        if let Err(Full) = unsafe { self.stack.push(node.0.cast()) } {
            self.spill(node);
        }
    }

    /// A node that was popped from a stack that it was pushed onto by [`Taken::push_onto`].
    #[inline(always)]
    pub fn adopt(&self, link: NonNull<Link>) -> Taken<T> {
        Taken(link.cast())
    }

    /// Half a stack from the depot, and one more for the caller.
    #[cold]
    #[inline(never)]
    fn refill(&self) -> Result<Taken<T>, Refusal> {
        let mut depot = self.depot.lock();
        let first = depot.take()?;
        for _ in 0..BATCH {
            let Ok(node) = depot.take() else { break };
            // SAFETY: it is from the depot, so mapped and ours.
            if unsafe { self.stack.push(node) }.is_err() {
                depot.give(node);
                break;
            }
        }
        Ok(Taken(first.cast()))
    }

    /// Half a stack to the depot, and this one too.
    #[cold]
    #[inline(never)]
    fn spill(&self, node: Taken<T>) {
        let mut depot = self.depot.lock();
        depot.give(node.0.cast());
        for _ in 0..BATCH {
            let Some(node) = self.stack.pop() else { break };
            depot.give(node);
        }
    }
}
