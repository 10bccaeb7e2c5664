//! Memory for nodes.

use std::alloc::{Layout, alloc_zeroed, dealloc};

use abi::PAGE_SIZE;

use crate::Refusal;

#[derive(Debug)]
pub struct Mapping(*mut u8, Layout);

impl Mapping {
    pub fn own(pages: u64) -> Result<Mapping, Refusal> {
        let page = PAGE_SIZE as usize;
        let layout = Layout::from_size_align(pages as usize * page, page).unwrap();
        // SAFETY: the layout has a size.
        Ok(Mapping(unsafe { alloc_zeroed(layout) }, layout))
    }

    pub fn address(&self) -> usize {
        self.0.expose_provenance()
    }

    pub fn bytes(&self) -> usize {
        self.1.size()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: allocated by `own` with this layout.
        unsafe { dealloc(self.0, self.1) };
    }
}
