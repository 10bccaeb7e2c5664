//! What a builder leaves behind: the shape, the place, and what the units' addresses stand for.

use alloc::vec::Vec;

use percpu_core::{AllocInfo, CpuId, PAGE_SIZE, SpareRange};

use super::{Errno, template};
use crate::memory::PHYSICAL_OFFSET;
use crate::memory::frame::PhysicalFrame;

/// A first chunk that somebody built.
pub struct FirstChunk {
    /// Its shape, and where each unit lies from the lowest.
    pub info: AllocInfo,
    /// Address of the lowest unit.
    pub base: u64,
    /// From there to the end of the group that starts highest.
    pub max_distance: u64,
    /// What is behind the addresses.
    pub backing: Backing,
    /// Why it was built so.
    pub why: Why,
    /// What that cost.
    pub cost: Cost,
}

/// What the units' addresses stand for.
pub enum Backing {
    /// They lie in the physical map.
    Linear,
    /// The same, but the template itself is the only CPU's static part, and no unit has one.
    Template,
    /// A range of its own; the frames of all its pages, in order.
    Pages(Vec<PhysicalFrame>),
}

/// Why this builder and no other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// Nothing else was asked for.
    Default,
    /// It was named on the command line.
    Named,
    /// There is one possible CPU, and nothing was asked for.
    OneCpu,
    /// Embedding was refused, with this number.
    Refused(Errno),
}

/// Time stamps that building took: instructions, where the machine counts them.
#[derive(Clone, Copy, Default)]
pub struct Cost {
    /// Shape, memory, checks, and giving back what is spare.
    pub building: u64,
    /// Clearing the units and copying the template.
    pub filling: u64,
}

impl FirstChunk {
    /// What a builder has made, its units not filled yet.
    pub fn new(info: AllocInfo, base: u64, max_distance: u64, backing: Backing) -> FirstChunk {
        FirstChunk {
            info,
            base,
            max_distance,
            backing,
            why: Why::Default,
            cost: Cost::default(),
        }
    }

    /// The same, built for this reason.
    pub fn because(self, why: Why) -> FirstChunk {
        FirstChunk { why, ..self }
    }

    /// Address of a possible CPU's unit.
    pub fn unit(&self, cpu: CpuId) -> u64 {
        self.base + self.offset(cpu)
    }

    /// From the lowest unit to a possible CPU's.
    pub fn offset(&self, cpu: CpuId) -> u64 {
        self.info.unit_offset(cpu).expect("a possible CPU").bytes()
    }

    /// The frame of a page of its unit.
    pub fn frame(&self, cpu: CpuId, page: u64) -> PhysicalFrame {
        match &self.backing {
            Backing::Linear | Backing::Template => {
                PhysicalFrame::from_address(self.unit(cpu) - PHYSICAL_OFFSET + page * PAGE_SIZE)
            }
            Backing::Pages(frames) => frames[(self.offset(cpu) / PAGE_SIZE + page) as usize],
        }
    }

    /// Frames that each unit keeps: single pages were allocated for the whole unit (P2).
    pub fn frames_of_unit(&self) -> u64 {
        let bytes = match self.backing {
            Backing::Pages(_) => self.info.unit_size(),
            Backing::Linear | Backing::Template => self.info.size_sum(),
        };
        bytes / PAGE_SIZE
    }

    /// What turns template addresses into the CPU's own: its GS base.
    pub fn delta(&self, cpu: CpuId) -> u64 {
        match self.backing {
            Backing::Template => 0,
            _ => self.unit(cpu).wrapping_sub(template::range().start),
        }
    }

    /// Filler units and tails, by physical address and bytes (M5). Of single pages none is spare.
    pub fn spare_ranges(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let is_embedded = matches!(self.backing, Backing::Linear);
        let ranges = is_embedded.then(|| self.info.spare_ranges());
        let physical = |spare: SpareRange| (self.base - PHYSICAL_OFFSET + spare.offset, spare.size);
        ranges.into_iter().flatten().map(physical)
    }
}
