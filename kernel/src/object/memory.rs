//! Memory objects: frames, in a row or one row for each CPU; or promises of frames, kept at the first touch.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use abi::Status;
use abi::syscall::{MAX_MEMORY_PAGES, MemoryKind, Placement};
use percpu_core::{CpuId, NodeId};

use super::Account;
use super::census::{Counted, Kind};
use crate::boot::{firmware, first_chunk};
use crate::cpu::{self, breath};
use crate::memory::frame::{self, PhysicalFrame};
use crate::memory::heap;
use crate::refusal::{Refusal, require};
use crate::sync::{Lock, rank};

mod on_touch;
mod pages;

use on_touch::OnTouch;
use pages::Pages;

/// Frames cleared between two breaths.
const CLEARED: usize = 16;

/// Of what takes a few instructions for each page.
const PAGES_AT_ONCE: usize = 1024;

/// A memory object.
pub struct Memory {
    /// Its own among all that ever were: tells whether two capabilities are to one object.
    pub id: u64,
    frames: Frames,
    /// Who paid; none for what the kernel lends.
    account: Option<Arc<Account>>,
    _counted: Counted,
}

enum Frames {
    /// In a row.
    Plain(Vec<PhysicalFrame>),
    /// For each CPU a row of `pages`, one row behind the other. A page can be in one window only.
    PerCpu {
        pages: u64,
        frames: Vec<PhysicalFrame>,
        states: Lock<Pages, { rank::MEMORY }>,
    },
    /// Per-CPU memory whose frames are taken, out of those that their nodes keep for it, when they are touched.
    OnTouch(Lock<OnTouch, { rank::MEMORY }>),
    /// A part of the first chunk, which is never freed.
    FirstChunk {
        part: first_chunk::Part,
        states: Lock<Pages, { rank::MEMORY }>,
    },
}

impl Memory {
    /// New, cleared frames; all or none.
    pub fn create(account: &Arc<Account>, pages: u64, placement: Placement) -> Result<Memory, Refusal> {
        let topology = firmware::topology();
        let rows = match placement {
            Placement::PerCpu | Placement::PerCpuOnTouch => topology.cpu_count() as u64,
            Placement::Anywhere => 1,
            Placement::Node(node) => {
                require(usize::from(node) < topology.node_count(), Status::BadArgument)?;
                1
            }
        };
        let count = pages
            .checked_mul(rows)
            .filter(|count| (1..=MAX_MEMORY_PAGES).contains(count));
        let count = count.ok_or(Status::BadArgument)?;
        account.charge(count)?;
        let frames = make(count, pages, placement).inspect_err(|_| account.refund(count))?;
        Ok(Memory {
            id: next_id(),
            frames,
            account: Some(account.clone()),
            _counted: Counted::new(Kind::Memory),
        })
    }

    /// A part of the first chunk.
    pub fn lend(part: first_chunk::Part) -> Memory {
        let states = Lock::new(Pages::lent(part.pages));
        Memory {
            id: next_id(),
            frames: Frames::FirstChunk { part, states },
            account: None,
            _counted: Counted::new(Kind::Memory),
        }
    }

    /// The frames in a row; none for per-CPU memory.
    pub fn plain(&self) -> Option<&[PhysicalFrame]> {
        if let Frames::Plain(frames) = &self.frames {
            Some(frames)
        } else {
            None
        }
    }

    /// Pages of each CPU; none for memory in a row.
    pub fn pages_per_cpu(&self) -> Option<u64> {
        match &self.frames {
            Frames::Plain(_) => None,
            Frames::PerCpu { pages, .. } => Some(*pages),
            Frames::FirstChunk { part, .. } => Some(part.pages),
            Frames::OnTouch(memory) => Some(memory.lock().pages),
        }
    }

    /// The frame of a CPU's page of per-CPU memory; none when nobody has touched it.
    pub fn frame_of(&self, cpu: CpuId, page: u64) -> Option<PhysicalFrame> {
        match &self.frames {
            Frames::Plain(frames) => frames.get(page as usize).copied(),
            Frames::PerCpu { pages, frames, .. } => {
                frames.get((cpu.index() as u64 * pages + page) as usize).copied()
            }
            Frames::FirstChunk { part, .. } => Some(first_chunk::unit_frame(cpu, part.first_page + page)),
            Frames::OnTouch(memory) => {
                let memory = memory.lock();
                memory.frames[(cpu.index() as u64 * memory.pages + page) as usize]
            }
        }
    }

    /// Whether its frames are taken when they are touched.
    pub fn is_on_touch(&self) -> bool {
        matches!(self.frames, Frames::OnTouch(_))
    }

    /// The frame of a CPU's page, taken now if there is none: only of memory that is populated on touch.
    pub fn touch(&self, cpu: CpuId, page: u64) -> Option<PhysicalFrame> {
        let Frames::OnTouch(memory) = &self.frames else {
            return None;
        };
        let mut memory = memory.lock();
        let index = (cpu.index() as u64 * memory.pages + page) as usize;
        let slot = memory.frames.get_mut(index)?;
        Some(*slot.get_or_insert_with(|| frame::allocate_promised(cpu::cpu_to_node(cpu))))
    }

    /// The words of `MemoryQuery`.
    pub fn query(&self) -> [u64; 5] {
        let kind = match &self.frames {
            Frames::Plain(_) => MemoryKind::Plain,
            Frames::PerCpu { .. } => MemoryKind::PerCpu,
            Frames::OnTouch(_) => MemoryKind::PerCpuOnTouch,
            Frames::FirstChunk { .. } => MemoryKind::FirstChunk,
        };
        let pages = match &self.frames {
            Frames::Plain(frames) => frames.len() as u64,
            _ => self.pages_per_cpu().unwrap_or(0),
        };
        let counts = self.with_states(|states| [states.used(), states.clean_count()]);
        let [used, clean] = counts.unwrap_or([0, 0]);
        [self.id, pages, kind as u64, used, clean]
    }

    /// Takes pages for a window, cleared; refuses when one is in a window already.
    pub fn take(&self, first: u64, pages: u64) -> Result<(), Refusal> {
        let dirty = self.take_as_they_are(first, pages)?;
        breath::for_each(dirty, 1, |page| self.clear(page));
        Ok(())
    }

    /// The same, which leaves it to the caller to clear some of them.
    fn take_as_they_are(&self, first: u64, pages: u64) -> Result<Range<usize>, Refusal> {
        let range = first as usize..(first + pages) as usize;
        self.with_states(|states| states.take(range))
            .unwrap_or_else(|| Err(Status::BadArgument.into()))
    }

    /// Clears pages that are in no window, so that mapping them takes no time. How many were not clear.
    pub fn clean(&self, first: u64, pages: u64) -> Result<u64, Refusal> {
        let dirty = self.take_as_they_are(first, pages)?;
        let count = dirty.len() as u64;
        for page in dirty {
            self.clear(page);
        }
        let range = first as usize..(first + pages) as usize;
        self.with_states(|states| states.give_back(range, true));
        Ok(count)
    }

    /// Clears every CPU's frame of a page, which the caller has taken.
    fn clear(&self, page: usize) {
        let frames = firmware::topology()
            .cpus()
            .filter_map(|cpu| self.frame_of(cpu, page as u64));
        breath::for_each(frames, CLEARED, PhysicalFrame::clear);
    }

    /// Gives pages back that no CPU can reach any more.
    pub fn give_back(&self, first: u64, pages: u64) {
        let is_on_touch = if let Frames::OnTouch(memory) = &self.frames {
            memory.lock().untouch(first, pages);
            true
        } else {
            false
        };
        // Frames that are taken at a touch are cleared then.
        let range = first as usize..(first + pages) as usize;
        self.with_states(|states| states.give_back(range, is_on_touch));
    }

    fn with_states<T>(&self, act: impl FnOnce(&mut Pages) -> T) -> Option<T> {
        match &self.frames {
            Frames::Plain(_) => None,
            Frames::PerCpu { states, .. } | Frames::FirstChunk { states, .. } => {
                Some(act(&mut states.lock()))
            }
            Frames::OnTouch(memory) => Some(act(&mut memory.lock().states)),
        }
    }
}

fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn make(count: u64, pages: u64, placement: Placement) -> Result<Frames, Refusal> {
    Ok(match placement {
        Placement::PerCpuOnTouch => Frames::OnTouch(Lock::new(OnTouch::new(pages, count)?)),
        Placement::PerCpu => Frames::PerCpu {
            pages,
            states: Lock::new(Pages::clean(pages)?),
            frames: allocate(count, pages, placement)?,
        },
        _ => Frames::Plain(allocate(count, pages, placement)?),
    })
}

fn allocate(count: u64, pages: u64, placement: Placement) -> Result<Vec<PhysicalFrame>, Refusal> {
    let mut frames = Vec::new();
    heap::make_room(&mut frames, count as usize)?;
    for index in 0..count {
        // Clearing many frames takes long.
        cpu::breathe();
        let frame = match placement {
            Placement::Anywhere => frame::allocate_near(cpu::this_node()),
            Placement::Node(node) => frame::allocate_on(NodeId::new(node)),
            Placement::PerCpu | Placement::PerCpuOnTouch => {
                frame::allocate_on(cpu::cpu_to_node(CpuId::new((index / pages) as u16)))
            }
        };
        match frame {
            Ok(frame) => frames.push(frame),
            Err(exhausted) => {
                breath::for_each(frames, breath::OFTEN, frame::free);
                return Err(exhausted.into());
            }
        }
    }
    Ok(frames)
}

impl Drop for Memory {
    fn drop(&mut self) {
        let frames = match &mut self.frames {
            Frames::Plain(frames) | Frames::PerCpu { frames, .. } => core::mem::take(frames),
            Frames::OnTouch(memory) => {
                let count = memory.get_mut().frames.len() as u64;
                if let Some(account) = &self.account {
                    account.refund(count);
                }
                return;
            }
            Frames::FirstChunk { .. } => return,
        };
        let count = frames.len() as u64;
        breath::for_each(frames, breath::OFTEN, frame::free);
        if let Some(account) = &self.account {
            account.refund(count);
        }
    }
}
