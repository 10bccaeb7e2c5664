//! The nodes that no CPU has: a list of free ones, and memory that was never a node yet.

use core::marker::PhantomData;
use core::ptr::{NonNull, with_exposed_provenance_mut};

use abi::PAGE_SIZE;

use crate::Refusal;
use crate::memory::Mapping;
use crate::stack::Link;

/// Fewest nodes of a block of memory.
const FEWEST: usize = 32;

/// What a block of memory begins with.
#[derive(Debug)]
struct Block {
    before: Option<NonNull<Block>>,
    memory: Mapping,
}

/// Memory for nodes of type `N`, which begins with a [`Link`].
#[derive(Debug)]
pub struct Depot<N> {
    free: Option<NonNull<Link>>,
    /// Addresses in the last block that were no node yet.
    fresh: usize,
    end: usize,
    last: Option<NonNull<Block>>,
    node: PhantomData<N>,
}

impl<N> Depot<N> {
    const BLOCK_PAGES: u64 = {
        let bytes = size_of::<Block>() + FEWEST * size_of::<N>() + align_of::<N>();
        (bytes as u64).div_ceil(PAGE_SIZE)
    };

    /// Nothing.
    pub const fn new() -> Self {
        Depot {
            free: None,
            fresh: 0,
            end: 0,
            last: None,
            node: PhantomData,
        }
    }

    /// A node that nobody has.
    pub fn take(&mut self) -> Result<NonNull<Link>, Refusal> {
        if let Some(link) = self.free {
            // SAFETY: it was given back, so it is ours and mapped.
            self.free = unsafe { link.as_ref() }.behind();
            return Ok(link);
        }
        if self.end - self.fresh < size_of::<N>() {
            self.add_block()?;
        }
        let link = with_exposed_provenance_mut::<Link>(self.fresh);
        self.fresh += size_of::<N>();
        // SAFETY: it is in the last block, aligned for `N` and so for a link, and nobody has used it yet.
        unsafe { link.write(Link::default()) };
        // SAFETY: an address in a mapping is not null.
        Ok(unsafe { NonNull::new_unchecked(link) })
    }

    /// Takes back what was taken.
    pub fn give(&mut self, link: NonNull<Link>) {
        // SAFETY: a node of ours, which its holder has given up.
        unsafe { link.as_ref() }.set(self.free);
        self.free = Some(link);
    }

    fn add_block(&mut self) -> Result<(), Refusal> {
        const {
            assert!(
                align_of::<N>() <= PAGE_SIZE as usize,
                "memory is aligned to pages only"
            )
        };
        let memory = Mapping::own(Self::BLOCK_PAGES)?;
        let (start, bytes) = (memory.address(), memory.bytes());
        let block = with_exposed_provenance_mut::<Block>(start);
        let before = self.last;
        // SAFETY: the mapping is new, aligned, and large enough.
        unsafe { block.write(Block { before, memory }) };
        self.last = NonNull::new(block);
        self.fresh = (start + size_of::<Block>()).next_multiple_of(align_of::<N>());
        self.end = start + bytes;
        Ok(())
    }
}

impl<N> Drop for Depot<N> {
    fn drop(&mut self) {
        while let Some(block) = self.last {
            // SAFETY: written by `add_block`, and taken this once. Whoever drops the depot has no node any more.
            let Block { before, memory } = unsafe { block.read() };
            self.last = before;
            drop(memory);
        }
    }
}
