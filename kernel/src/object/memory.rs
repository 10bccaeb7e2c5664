//! Memory objects: frames, in a row or one row for each CPU.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Status;
use abi::syscall::{MAX_MEMORY_PAGES, Placement};
use percpu_core::{CpuId, NodeId};

use super::Account;
use crate::boot::{firmware, first_chunk};
use crate::cpu;
use crate::mailbox;
use crate::memory::frame::{self, PhysicalFrame};
use crate::refusal::{Refusal, require};
use crate::sync::Lock;

/// A memory object.
pub struct Memory {
    frames: Frames,
    /// Who paid; none for what the kernel lends.
    account: Option<Arc<Account>>,
}

enum Frames {
    /// In a row.
    Plain(Vec<PhysicalFrame>),
    /// For each CPU a row of `pages`, one row behind the other. A page can be in one window only.
    PerCpu {
        pages: u64,
        frames: Vec<PhysicalFrame>,
        in_use: Lock<Vec<bool>>,
    },
    /// A part of the first chunk, which is never freed.
    FirstChunk {
        part: first_chunk::Part,
        in_use: Lock<Vec<bool>>,
    },
}

impl Memory {
    /// New, cleared frames; all or none.
    pub fn create(account: &Arc<Account>, pages: u64, placement: Placement) -> Result<Memory, Refusal> {
        let topology = firmware::topology();
        let rows = match placement {
            Placement::PerCpu => topology.cpu_count() as u64,
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
        let frames = allocate(count, pages, placement).inspect_err(|_| account.refund(count))?;
        let frames = match placement {
            Placement::PerCpu => Frames::PerCpu {
                pages,
                frames,
                in_use: Lock::new(unused(pages)),
            },
            _ => Frames::Plain(frames),
        };
        Ok(Memory {
            frames,
            account: Some(account.clone()),
        })
    }

    /// A part of the first chunk.
    pub fn lend(part: first_chunk::Part) -> Memory {
        let in_use = Lock::new(unused(part.pages));
        Memory {
            frames: Frames::FirstChunk { part, in_use },
            account: None,
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
        }
    }

    /// The frame of a CPU's page of per-CPU memory.
    pub fn frame_of(&self, cpu: CpuId, page: u64) -> PhysicalFrame {
        match &self.frames {
            Frames::Plain(frames) => frames[page as usize],
            Frames::PerCpu { pages, frames, .. } => frames[(cpu.index() as u64 * pages + page) as usize],
            Frames::FirstChunk { part, .. } => first_chunk::unit_frame(cpu, part.first_page + page),
        }
    }

    /// Takes pages for a window; refuses when one is in a window already.
    pub fn take(&self, first: u64, pages: u64) -> Result<(), Refusal> {
        let range = first as usize..(first + pages) as usize;
        let Some(mut in_use) = self.in_use() else {
            return Err(Status::BadArgument.into());
        };
        let wanted = in_use.get_mut(range).ok_or(Status::BadArgument)?;
        require(!wanted.contains(&true), Status::PageInUse)?;
        wanted.fill(true);
        Ok(())
    }

    /// Gives pages back that no CPU can reach any more.
    pub fn give_back(&self, first: u64, pages: u64) {
        if let Some(mut in_use) = self.in_use() {
            in_use[first as usize..(first + pages) as usize].fill(false);
        }
    }

    fn in_use(&self) -> Option<spin::mutex::SpinMutexGuard<'_, Vec<bool>>> {
        match &self.frames {
            Frames::Plain(_) => None,
            Frames::PerCpu { in_use, .. } | Frames::FirstChunk { in_use, .. } => Some(in_use.lock()),
        }
    }
}

fn unused(pages: u64) -> Vec<bool> {
    alloc::vec![false; pages as usize]
}

fn allocate(count: u64, pages: u64, placement: Placement) -> Result<Vec<PhysicalFrame>, Refusal> {
    let mut frames = Vec::new();
    frames
        .try_reserve_exact(count as usize)
        .map_err(|_| Status::HeapExhausted)?;
    for index in 0..count {
        // Clearing many frames takes long, and others may wait for this CPU's acknowledgement.
        mailbox::drain();
        let frame = match placement {
            Placement::Anywhere => frame::allocate_near(cpu::this_node()),
            Placement::Node(node) => frame::allocate_on(NodeId::new(node)),
            Placement::PerCpu => frame::allocate_on(cpu::cpu_to_node(CpuId::new((index / pages) as u16))),
        };
        match frame {
            Ok(frame) => frames.push(frame),
            Err(exhausted) => {
                frames.into_iter().for_each(frame::free);
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
            Frames::FirstChunk { .. } => return,
        };
        let count = frames.len() as u64;
        frames.into_iter().for_each(frame::free);
        if let Some(account) = &self.account {
            account.refund(count);
        }
    }
}
