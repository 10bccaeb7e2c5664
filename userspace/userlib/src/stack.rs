//! A stack for each CPU: last in, first out, without a lock, in any thread that happens to be there.
//!
//! Each CPU has a pair of words: the top node, and a *tag* of three numbers. The CPU's own number, which never
//! changes; how many nodes there are; and a sequence that changes with every push and pop. A thread reads the tag,
//! then the top, then the top's link, and changes the pair with one 16-byte compare-exchange. It may have been moved
//! to other CPUs meanwhile, and others may have pushed and popped. But if the compare-exchange succeeds, the tag
//! that it has read is the tag of the CPU on which it succeeds, so nothing has happened to this CPU's stack since
//! then, and the top and its link belong together.
//!
//! What makes that sound:
//! 1. Tags of different CPUs are never equal, so a success proves the CPU.
//! 2. Nodes stay mapped, and stay nodes, as long as the stack exists: a thread that was away may read the link of a
//!    node that somebody has popped. So links are atomic, and nothing else lies in their place.
//! 3. A tag comes again only after 2^40 changes of one CPU's stack during one operation of one thread.

use core::ptr::{NonNull, with_exposed_provenance_mut};

use abi::MAX_CPUS;

use crate::atomic::{AtomicUsize, MOST_NODES, Ordering};
use crate::cell::{Offset, PerCpuPair, units};
use crate::machine;

/// Bits of a tag: the sequence above, the count of nodes, and the CPU below.
const ONE_NODE: u64 = 1 << 12;
const ONE_CHANGE: u64 = 1 << 24;
const COUNT_MASK: u64 = ONE_CHANGE - ONE_NODE;

/// Bytes of a CPU's pair.
pub const HEAD_BYTES: usize = 16;

/// The part of a node that the stack uses.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Link(AtomicUsize);

impl Link {
    /// The node behind this one, outside of a stack.
    pub fn behind(&self) -> Option<NonNull<Link>> {
        NonNull::new(with_exposed_provenance_mut(self.0.load(Ordering::Relaxed)))
    }

    /// Puts a node behind this one, outside of a stack. The provenance of both is exposed.
    pub fn set(&self, behind: Option<NonNull<Link>>) {
        let address = behind.map_or(0, |link| link.as_ptr().expose_provenance());
        self.0.store(address, Ordering::Relaxed);
    }
}

/// The stacks of all CPUs.
#[derive(Clone, Copy, Debug)]
pub struct Stack<'r> {
    head: PerCpuPair<Offset<'r>>,
}

/// The stack has as many nodes as it may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

impl<'r> Stack<'r> {
    /// Most nodes of one CPU's stack.
    pub const MOST: u64 = MOST_NODES;

    /// Empty stacks.
    ///
    /// # Safety
    /// Nobody else uses the pair, neither now nor as long as the stack or a copy of it exists.
    pub unsafe fn new(head: PerCpuPair<Offset<'r>>) -> Stack<'r> {
        const { assert!(MAX_CPUS as u64 <= ONE_NODE, "a tag has room for every CPU") };
        // SAFETY: 1. a pair's words are aligned and populated. 2. the caller's obligation.
        unsafe {
            units::write(head.offset(), |_| 0u64);
            units::write(head.offset() + 8, |cpu| cpu as u64);
        }
        Stack { head }
    }

    /// Takes this CPU's top node. About 13 instructions.
    #[inline(always)]
    pub fn pop(self) -> Option<NonNull<Link>> {
        self.pop_interrupted(|| ())
    }

    /// The same; `between` happens between looking and taking, as if others had come in between, each time it tries.
    #[inline(always)]
    pub fn pop_interrupted(self, mut between: impl FnMut()) -> Option<NonNull<Link>> {
        loop {
            let tag = self.head.second();
            let top = self.head.first();
            let node = NonNull::new(with_exposed_provenance_mut::<Link>(top as usize))?;
            // SAFETY: what was pushed is a node, and mapped, though it may not be in the stack any more.
            let next = unsafe { node.as_ref() }.0.load(Ordering::Relaxed) as u64;
            let new_tag = tag.wrapping_add(ONE_CHANGE - ONE_NODE);
            between();
            if self.head.compare_exchange([top, tag], [next, new_tag]).is_ok() {
                return Some(node);
            }
        }
    }

    /// Puts a node on top of this CPU's stack. About 13 instructions.
    ///
    /// # Errors
    /// [`Full`]; the node is still the caller's.
    ///
    /// # Safety
    /// The node is the caller's alone. It is mapped, and nothing but a [`Link`], as long as the stack or a copy of
    /// it exists; its provenance is exposed.
    #[inline(always)]
    pub unsafe fn push(self, node: NonNull<Link>) -> Result<(), Full> {
        loop {
            let tag = self.head.second();
            if tag & COUNT_MASK >= Self::MOST * ONE_NODE {
                return Err(Full);
            }
            let top = self.head.first();
            // SAFETY: the caller's obligation.
            unsafe { node.as_ref() }.0.store(top as usize, Ordering::Relaxed);
            let new = [node.addr().get() as u64, tag.wrapping_add(ONE_CHANGE + ONE_NODE)];
            if self.head.compare_exchange([top, tag], new).is_ok() {
                return Ok(());
            }
        }
    }

    /// Checks each CPU's pair, while nobody pushes or pops: the tag names the CPU, and counts nodes if there is a top.
    ///
    /// # Errors
    /// The first CPU whose pair is wrong.
    pub fn verify(self) -> Result<(), usize> {
        let is_right = |cpu: usize| {
            let [top, tag] = self.head.on(cpu).unwrap_or_default();
            tag & (ONE_NODE - 1) == cpu as u64 && (top == 0) == (tag & COUNT_MASK == 0)
        };
        let mut cpus = 0..machine::possible_cpus();
        cpus.find(|cpu| !is_right(*cpu)).map_or(Ok(()), Err)
    }

    /// Nodes of all CPUs' stacks, as they were a moment ago.
    pub fn count(self) -> u64 {
        let heads = (0..machine::possible_cpus()).filter_map(|cpu| self.head.on(cpu));
        heads.map(|[_, tag]| (tag & COUNT_MASK) / ONE_NODE).sum()
    }
}
