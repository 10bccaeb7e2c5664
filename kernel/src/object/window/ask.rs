//! What lies in a window, and what comes to lie there when a page is touched that was only promised.

use alloc::sync::Arc;

use abi::syscall::CpuMask;
use abi::window::WINDOW_BASE;
use abi::{PAGE_SIZE, Status};

use percpu_core::CpuId;

use super::units;
use crate::boot::options;
use crate::memory::address_space::Access;
use crate::object::space::Inner;
use crate::object::{Memory, Space, contents};
use crate::refusal::{Refusal, require};

impl Space {
    /// The first range at or behind a page, and the note.
    pub fn query_window(&self, page: u64) -> Result<[u64; 6], Refusal> {
        let inner: &Inner = &self.lock();
        let nothing = Refusal {
            status: Status::NotMapped,
            words: [inner.note, 0],
        };
        let range = inner.window.at_or_behind(page).ok_or(nothing)?;
        let (memory, memory_first) = (range.memory.id, range.memory_first);
        Ok([
            range.first,
            range.pages,
            range.tag,
            inner.note,
            memory,
            memory_first,
        ])
    }

    /// The memory that is mapped at a page.
    pub fn window_memory(&self, page: u64) -> Result<Arc<Memory>, Refusal> {
        let inner = self.lock();
        let range = inner.window.covering(page).ok_or(Status::NotMapped)?;
        Ok(range.memory.clone())
    }

    /// The CPUs in whose units a page has a frame.
    pub fn window_populated(&self, page: u64) -> Result<CpuMask, Refusal> {
        let inner = self.lock();
        let range = inner.window.covering(page).ok_or(Status::NotMapped)?;
        let mut mask = CpuMask::default();
        let at = range.memory_first + (page - range.first);
        for (cpu, _) in units().filter(|(cpu, _)| range.memory.frame_of(*cpu, at).is_some()) {
            mask.0[cpu.index() / 64] |= 1 << (cpu.index() % 64);
        }
        Ok(mask)
    }

    /// Changes a word of this window in the unit of a CPU that does not run; what was there.
    pub fn exchange_in_window(
        &self,
        cpu: CpuId,
        offset: u64,
        bytes: u64,
        words: [u64; 2],
    ) -> Result<u64, Refusal> {
        let stride = options::options().window_stride;
        require(offset < stride, Status::BadArgument)?;
        let (_, base) = units().nth(cpu.index()).ok_or(Status::BadArgument)?;
        let inner = self.lock();
        let found = inner.tables.translate(base + (offset - offset % PAGE_SIZE));
        // The header page can only be read.
        let (frame, _) = found
            .filter(|(_, access)| *access == Access::Write)
            .ok_or(Status::NotMapped)?;
        Ok(contents::exchange(
            frame,
            (offset % PAGE_SIZE) as usize,
            bytes,
            words,
        ))
    }

    /// A page was touched that has no frame. Whether it has one now.
    pub fn touch(&self, address: u64) -> bool {
        let stride = options::options().window_stride;
        let Some(offset) = address.checked_sub(WINDOW_BASE) else {
            return false;
        };
        let Some((cpu, base)) = units().nth((offset / stride) as usize) else {
            return false;
        };
        let page = (address - base) / PAGE_SIZE;
        let mut inner = self.lock();
        let Some(range) = inner.window.covering(page) else {
            return false;
        };
        let Some(frame) = range.memory.touch(cpu, range.memory_first + (page - range.first)) else {
            return false;
        };
        let at = base + page * PAGE_SIZE;
        // Somebody else may have touched it at the same time.
        inner.tables.translate(at).is_some()
            || inner
                .map(self.account(), core::iter::once((at, frame)), Access::Write)
                .is_ok()
    }
}
