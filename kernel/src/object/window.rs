//! Windows: in every process the same range of addresses, with one unit for each possible CPU.
//!
//! What is mapped at a page of a window is mapped at that page of all units, each CPU's own frame in its unit.
//! Page 0 of a unit is the header page: the kernel's, read-only, the same frame in every process.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::window::{STATIC_FIRST_PAGE, WINDOW_BASE, header};
use abi::{PAGE_SIZE, Status};
use percpu_core::CpuId;

use super::ranges::Range;
use super::space::Inner;
use super::{Memory, Space, contents};
use crate::boot::{firmware, options, smp};
use crate::cpu::cpu_to_node;
use crate::memory::address_space::Access;
use crate::memory::frame::{self, PhysicalFrame};
use crate::refusal::{Refusal, require};
use crate::sync::Once;

/// What a window call maps.
pub struct WindowPlacing {
    /// Page of each unit.
    pub page: u64,
    /// Per-CPU memory.
    pub memory: Arc<Memory>,
    /// Page in it.
    pub memory_page: u64,
    /// How many.
    pub pages: u64,
    /// A word for the range.
    pub tag: u64,
    /// A word for the window.
    pub note: u64,
}

/// Every possible CPU and where its unit lies.
fn units() -> impl Iterator<Item = (CpuId, u64)> + Clone {
    let stride = options::options().window_stride;
    firmware::topology()
        .cpus()
        .map(move |cpu| (cpu, WINDOW_BASE + cpu.index() as u64 * stride))
}

/// The header pages and where they lie.
pub fn header_pages() -> impl Iterator<Item = (u64, PhysicalFrame)> + Clone {
    static HEADERS: Once<Vec<PhysicalFrame>> = Once::new();
    let headers = HEADERS.call_once(|| units().map(|(cpu, base)| make_header(cpu, base)).collect());
    units().map(|(_, base)| base).zip(headers.iter().copied())
}

fn make_header(cpu: CpuId, base: u64) -> PhysicalFrame {
    let topology = firmware::topology();
    let node = cpu_to_node(cpu);
    let frame = frame::allocate_near(node).expect("frames are left when the first process is made");
    let words = [
        (header::UNIT_BASE, base),
        (header::CPU, cpu.get().into()),
        (header::NODE, node.get().into()),
        (header::POSSIBLE_CPUS, topology.cpu_count() as u64),
        (header::ONLINE_CPUS, smp::online_count() as u64),
        (header::STRIDE, options::options().window_stride),
        (header::VERSION, abi::ABI_VERSION.into()),
        (header::NODES, topology.node_count() as u64),
        (header::ONLINE, smp::is_online(cpu).into()),
    ];
    words
        .iter()
        .for_each(|(offset, word)| contents::write(frame, *offset as usize, &word.to_le_bytes()));
    frame
}

impl Space {
    /// Maps per-CPU memory at the same place of all units, cleared. Nothing changes unless all of it succeeds.
    pub fn map_window(&self, placing: &WindowPlacing) -> Result<(), Refusal> {
        let WindowPlacing {
            page,
            ref memory,
            memory_page,
            pages,
            tag,
            note,
        } = *placing;
        check_pages(page, pages)?;
        let available = memory.pages_per_cpu().ok_or(Status::BadArgument)?;
        let end = memory_page.checked_add(pages).ok_or(Status::BadArgument)?;
        require(end <= available, Status::BadArgument)?;
        let result = {
            let mut inner = self.lock();
            require(!inner.window.overlaps(page, pages), Status::AlreadyMapped)?;
            memory.take(memory_page, pages)?;
            let range = Range {
                first: page,
                pages,
                memory: memory.clone(),
                memory_first: memory_page,
                tag,
            };
            places(&range).for_each(|(_, frame)| frame.clear());
            let result = inner.map(self.account(), places(&range), Access::Write);
            if result.is_ok() {
                inner.window.insert(range);
                inner.note = note;
            }
            result
        };
        if result.is_err() {
            self.shoot_down();
            memory.give_back(memory_page, pages);
        }
        result
    }

    /// Takes pages away from all units, and waits until no CPU can reach them.
    pub fn unmap_window(&self, page: u64, pages: u64, note: u64) -> Result<(), Refusal> {
        let is_range = pages > 0 && page.checked_add(pages).is_some();
        require(is_range, Status::BadArgument)?;
        let removed = {
            let mut inner = self.lock();
            let removed = inner.window.remove(page, pages).ok_or(Status::NotMapped)?;
            for (address, _) in removed.iter().flat_map(places) {
                inner.tables.unmap(address);
            }
            inner.note = note;
            removed
        };
        self.shoot_down();
        removed
            .iter()
            .for_each(|range| range.memory.give_back(range.memory_first, range.pages));
        Ok(())
    }

    /// Writes bytes to the same offset of every unit.
    pub fn fill_window(&self, offset: u64, bytes: &[u8]) -> Result<(), Refusal> {
        if bytes.is_empty() {
            return Ok(());
        }
        let end = offset
            .checked_add(bytes.len() as u64)
            .ok_or(Status::BadArgument)?;
        let first = offset / PAGE_SIZE;
        let pages = end.div_ceil(PAGE_SIZE) - first;
        let inner = self.lock();
        let ranges = inner.window.parts(first, pages).ok_or(Status::NotMapped)?;
        ranges.iter().for_each(|range| fill(range, offset, bytes));
        Ok(())
    }

    /// The first range at or behind a page, and the note.
    pub fn query_window(&self, page: u64) -> Result<[u64; 4], Refusal> {
        let inner: &Inner = &self.lock();
        let range = inner.window.at_or_behind(page).ok_or(Status::NotMapped)?;
        Ok([range.first, range.pages, range.tag, inner.note])
    }
}

/// Pages of a unit that are not the header.
fn check_pages(page: u64, pages: u64) -> Result<(), Refusal> {
    let unit_pages = options::options().window_stride / PAGE_SIZE;
    let end = page.checked_add(pages).ok_or(Status::BadArgument)?;
    require(
        page >= STATIC_FIRST_PAGE && pages > 0 && end <= unit_pages,
        Status::BadArgument,
    )
}

/// Where a range lies in every unit, and each CPU's frames there.
fn places(range: &Range) -> impl Iterator<Item = (u64, PhysicalFrame)> + Clone {
    units().flat_map(move |(cpu, base)| {
        (0..range.pages).map(move |page| {
            let address = base + (range.first + page) * PAGE_SIZE;
            (address, range.memory.frame_of(cpu, range.memory_first + page))
        })
    })
}

/// Writes the bytes that fall into a range.
fn fill(range: &Range, offset: u64, bytes: &[u8]) {
    for (cpu, _) in units() {
        for page in 0..range.pages {
            let start = (range.first + page) * PAGE_SIZE;
            let from = start.max(offset);
            let to = (start + PAGE_SIZE).min(offset + bytes.len() as u64);
            let frame = range.memory.frame_of(cpu, range.memory_first + page);
            let piece = &bytes[(from - offset) as usize..(to - offset) as usize];
            contents::write(frame, (from - start) as usize, piece);
        }
    }
}

/// With the option `log_windows`: which frame lies at each page of a range, in each unit.
pub fn log_pages(name: impl core::fmt::Display, range: &WindowPlacing) {
    for (cpu, _) in units() {
        for page in 0..range.pages {
            let frame = range.memory.frame_of(cpu, range.memory_page + page).address();
            crate::log!(
                "window: process {name} cpu {cpu} page {} frame {frame:#x}",
                range.page + page
            );
        }
    }
}
