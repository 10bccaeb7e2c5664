//! Per-CPU memory that has no frames but promises, until it is touched.

use alloc::vec::Vec;

use percpu_core::CpuId;

use super::pages::Pages;
use crate::cpu::{self, breath};
use crate::memory::frame::{self, PhysicalFrame};
use crate::memory::heap;
use crate::refusal::Refusal;

/// Pages, and for each CPU a row of frames as far as they were touched.
pub struct OnTouch {
    /// Pages of each CPU.
    pub pages: u64,
    /// One row behind the other.
    pub frames: Vec<Option<PhysicalFrame>>,
    /// Which pages are in a window.
    pub states: Pages,
}

impl OnTouch {
    /// Promises of so many pages for each CPU, `count` in all.
    pub fn new(pages: u64, count: u64) -> Result<OnTouch, Refusal> {
        let frames = heap::list_of(None, count as usize)?;
        let states = Pages::clean(pages)?;
        for cpu in 0..(count / pages) as u16 {
            if let Err(exhausted) = frame::promise(cpu::cpu_to_node(CpuId::new(cpu)), pages) {
                (0..cpu).for_each(|cpu| frame::break_promise(cpu::cpu_to_node(CpuId::new(cpu)), pages));
                return Err(exhausted.into());
            }
        }
        Ok(OnTouch {
            pages,
            frames,
            states,
        })
    }

    /// Gives the frames of these pages back to their nodes, which keep as many for the next touch.
    pub fn untouch(&mut self, first: u64, pages: u64) {
        let rows = self.frames.chunks_exact_mut(self.pages as usize);
        let range = first as usize..(first + pages) as usize;
        breath::for_each(
            rows.flat_map(|row| &mut row[range.clone()]),
            breath::OFTEN,
            |place| {
                if let Some(frame) = place.take() {
                    frame::free_promised(frame);
                }
            },
        );
    }
}

impl Drop for OnTouch {
    fn drop(&mut self) {
        self.untouch(0, self.pages);
        let cpus = self.frames.len() as u64 / self.pages;
        (0..cpus as u16).for_each(|cpu| frame::break_promise(cpu::cpu_to_node(CpuId::new(cpu)), self.pages));
    }
}
