//! Room in the server's own memory. No request may end the server by using it up, so every growth asks.

use alloc::vec::Vec;

use abi::percpu::PercpuError;
use percpu_core::{PageMap, page_map_words};

/// A map over lent words, which here are a vector's.
pub type Pages = PageMap<Vec<u64>>;

/// Room for `more` elements, or a refusal that names `limit`.
pub fn room<T>(list: &mut Vec<T>, more: usize, limit: usize) -> Result<(), PercpuError> {
    list.try_reserve(more)
        .map_err(|_| PercpuError::ServerFull(limit as u64))
}

/// A map of so many pages, all free, or a refusal that names `limit`.
pub fn pages(count: usize, limit: usize) -> Result<Pages, PercpuError> {
    let full = PercpuError::ServerFull(limit as u64);
    let mut words = Vec::new();
    room(&mut words, page_map_words(count), limit)?;
    words.resize(page_map_words(count), 0);
    PageMap::new(words, count).map_err(|_| full)
}
