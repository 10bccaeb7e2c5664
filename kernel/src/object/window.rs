//! Windows: in every process the same range of addresses, with one unit for each possible CPU.
//!
//! What is mapped at a page of a window is mapped at that page of all units, each CPU's own frame in its unit.
//! Page 0 of a unit is the header page: the kernel's, read-only, the same frame in every process.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering, fence};

use abi::window::{STATIC_FIRST_PAGE, WINDOW_BASE, header};
use abi::{PAGE_SIZE, Status};
use percpu_core::CpuId;

use super::ranges::Range;
use super::space::Inner;
use super::{Memory, Space, contents};
use crate::boot::{firmware, options, smp};
use crate::cpu::{self, breath, cpu_to_node};
use crate::memory::address_space::Access;
use crate::memory::frame::{self, PhysicalFrame};
use crate::memory::heap;
use crate::refusal::{Refusal, require};
use crate::sync::Once;

mod ask;

/// Pages that a window call maps.
pub struct Piece {
    /// Page of each unit.
    pub page: u64,
    /// Per-CPU memory.
    pub memory: Arc<Memory>,
    /// Page in it.
    pub memory_page: u64,
    /// How many.
    pub pages: u64,
}

/// What the kernel keeps for whoever maps.
#[derive(Clone, Copy)]
pub struct Words {
    /// For the ranges that are mapped now.
    pub tag: u64,
    /// For the window.
    pub note: u64,
}

/// Every possible CPU and where its unit lies.
fn units() -> impl Iterator<Item = (CpuId, u64)> + Clone {
    let stride = options::options().window_stride;
    firmware::topology()
        .cpus()
        .map(move |cpu| (cpu, WINDOW_BASE + cpu.index() as u64 * stride))
}

/// The header pages, by CPU.
static HEADERS: Once<Vec<PhysicalFrame>> = Once::new();
/// How often a CPU has begun to go, or has come since the boot.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// The header pages and where they lie.
pub fn header_pages() -> impl Iterator<Item = (u64, PhysicalFrame)> + Clone {
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

/// Tells all programs which CPUs are online. Whoever changes CPUs calls this.
pub fn tell_cpus() {
    let online = smp::online_count() as u64;
    let generation = GENERATION.fetch_add(1, Ordering::SeqCst) + 1;
    let headers = HEADERS.get().into_iter().flatten();
    for ((cpu, _), frame) in units().zip(headers) {
        contents::store(*frame, header::ONLINE as usize, smp::is_online(cpu).into());
        contents::store(*frame, header::ONLINE_CPUS as usize, online);
        contents::store(*frame, header::TOPOLOGY_GENERATION as usize, generation);
    }
    fence(Ordering::SeqCst);
}

impl Space {
    /// Maps per-CPU memory at the same places of all units, cleared. Nothing changes unless all of it succeeds.
    pub fn map_window(&self, pieces: &[Piece], words: Words) -> Result<(), Refusal> {
        pieces.iter().try_for_each(check_piece)?;
        let mut taken = 0;
        let result = {
            let _payer = heap::charge_to(self.account());
            let mut inner = self.lock();
            let result = pieces
                .iter()
                .try_for_each(|piece| self.map_piece(&mut inner, piece, words.tag, &mut taken));
            match &result {
                Ok(()) => inner.note = words.note,
                Err(_) => breath::for_each(&pieces[..taken], 1, |piece| {
                    if let Some(range) = inner.window.take(piece.page) {
                        unmap(&mut inner, &range);
                    }
                }),
            }
            result
        };
        if result.is_err() {
            self.shoot_down();
            breath::for_each(&pieces[..taken], 1, |piece| {
                piece.memory.give_back(piece.memory_page, piece.pages);
            });
        }
        result
    }

    /// One of the pieces; counts it in `taken` as soon as its pages are this window's.
    fn map_piece(
        &self,
        inner: &mut Inner,
        piece: &Piece,
        tag: u64,
        taken: &mut usize,
    ) -> Result<(), Refusal> {
        let (first, pages) = (piece.page, piece.pages);
        require(!inner.window.overlaps(first, pages), Status::AlreadyMapped)?;
        piece.memory.take(piece.memory_page, pages)?;
        *taken += 1;
        let range = Range {
            first,
            pages,
            memory: piece.memory.clone(),
            memory_first: piece.memory_page,
            tag,
        };
        inner.window.insert(range.clone())?;
        if piece.memory.is_on_touch() {
            // A touch must not fail for want of a page table.
            inner.prepare(
                self.account(),
                places_in_turn(&range).map(|(_, _, address)| address),
            )?;
        }
        inner.map(self.account(), places(&range), Access::Write)
    }

    /// Takes pages away from all units, and waits until no CPU can reach them. How many there were.
    pub fn unmap_window(&self, page: u64, pages: u64, note: u64) -> Result<u64, Refusal> {
        let is_range = pages > 0 && page.checked_add(pages).is_some();
        require(is_range, Status::BadArgument)?;
        let removed = {
            let _payer = heap::charge_to(self.account());
            let mut inner = self.lock();
            let removed = inner.window.remove_any(page, pages)?;
            require(!removed.is_empty(), Status::NotMapped)?;
            breath::for_each(&removed, 1, |range| unmap(&mut inner, range));
            inner.note = note;
            removed
        };
        self.shoot_down();
        breath::for_each(&removed, 1, |range| {
            range.memory.give_back(range.memory_first, range.pages);
        });
        Ok(removed.iter().map(|range| range.pages).sum())
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
        let is_whole = |range: &Range| places(range).count() == addresses(range).count();
        require(ranges.iter().all(is_whole), Status::NotMapped)?;
        ranges.iter().for_each(|range| fill(range, offset, bytes));
        Ok(())
    }
}

#[inline(never)]
fn unmap(inner: &mut Inner, range: &Range) {
    let mut done: usize = 0;
    for (_, base) in units() {
        let first = base + range.first * PAGE_SIZE;
        for page in 0..range.pages {
            inner.tables.unmap(first + page * PAGE_SIZE);
            done += 1;
            if done.is_multiple_of(breath::OFTEN) {
                cpu::breathe();
            }
        }
    }
}

fn check_piece(piece: &Piece) -> Result<(), Refusal> {
    check_pages(piece.page, piece.pages)?;
    let available = piece.memory.pages_per_cpu().ok_or(Status::BadArgument)?;
    let end = piece
        .memory_page
        .checked_add(piece.pages)
        .ok_or(Status::BadArgument)?;
    require(end <= available, Status::BadArgument)
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

/// Where a range lies in every unit: the CPU, the page of the memory, and the address. For whoever takes them all at once.
fn addresses(range: &Range) -> impl Iterator<Item = (CpuId, u64, u64)> + Clone {
    units().flat_map(move |(cpu, base)| {
        (0..range.pages).map(move |page| {
            let address = base + (range.first + page) * PAGE_SIZE;
            (cpu, range.memory_first + page, address)
        })
    })
}

/// The same, for whoever takes one after the other.
fn places_in_turn(range: &Range) -> impl Iterator<Item = (CpuId, u64, u64)> + Clone {
    let stride = options::options().window_stride;
    // By hand, because it is a good part of what mapping a page costs.
    let (mut cpu, mut page) = (0, 0);
    let cpus = firmware::topology().cpu_count() as u16;
    let (pages, memory_first) = (range.pages, range.memory_first);
    let mut unit = WINDOW_BASE + range.first * PAGE_SIZE;
    core::iter::from_fn(move || {
        if page == pages {
            (page, cpu) = (0, cpu + 1);
            unit += stride;
        }
        if cpu >= cpus || pages == 0 {
            return None;
        }
        page += 1;
        Some((
            CpuId::new(cpu),
            memory_first + page - 1,
            unit + (page - 1) * PAGE_SIZE,
        ))
    })
}

/// Where a range lies in every unit, and each CPU's frames there, as far as there are any.
fn places(range: &Range) -> impl Iterator<Item = (u64, PhysicalFrame)> + Clone {
    let mut seen: usize = 0;
    places_in_turn(range).filter_map(move |(cpu, page, address)| {
        // Of what is populated on touch there may be no frame for a long time.
        seen += 1;
        if seen.is_multiple_of(breath::OFTEN) {
            cpu::breathe();
        }
        Some((address, range.memory.frame_of(cpu, page)?))
    })
}

/// Writes the bytes that fall into a range.
fn fill(range: &Range, offset: u64, bytes: &[u8]) {
    for (cpu, _) in units() {
        for page in 0..range.pages {
            let start = (range.first + page) * PAGE_SIZE;
            let from = start.max(offset);
            let to = (start + PAGE_SIZE).min(offset + bytes.len() as u64);
            let Some(frame) = range.memory.frame_of(cpu, range.memory_first + page) else {
                continue;
            };
            let piece = &bytes[(from - offset) as usize..(to - offset) as usize];
            contents::write(frame, (from - start) as usize, piece);
        }
        cpu::breathe();
    }
}

/// With the option `log_windows`: which frame lies at each page of a range, in each unit.
pub fn log_pages(name: impl core::fmt::Display, piece: &Piece) {
    for (cpu, _) in units() {
        for page in 0..piece.pages {
            if let Some(frame) = piece.memory.frame_of(cpu, piece.memory_page + page) {
                let (page, frame) = (piece.page + page, frame.address());
                crate::log!("window: process {name} cpu {cpu} page {page} frame {frame:#x}");
            }
        }
    }
}
