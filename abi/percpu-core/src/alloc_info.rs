//! `AllocInfo`: how large units are, which CPUs share a group, and where each CPU's unit lies.
//!
//! This is the shape of the first chunk before any memory exists: pure, checked arithmetic over the
//! sizes of the three parts, the possible CPUs and the distances between them. It must not know where
//! CPUs and distances come from, nor who allocates the memory. Capacity is two const parameters, the
//! value is about 4 KiB with the defaults, and nothing outside it is needed, so a kernel can build one
//! before it has a heap, and twice (embed, then page) without stale state (B10).
//!
//! Sources: B1 to B10, M3 to M7, P4, U1, E1, E2, E4; algorithm 3.1.

use crate::{CpuId, MAX_CPUS, MAX_NODES, UnitOffset};

mod build;
mod error;
mod place;
mod report;
mod setup;
mod spare;

pub use build::Sizes;
pub use error::ShapeError;
pub use place::{GroupSpan, PlaceError, Placement, exceeds_three_quarters, max_distance};
pub use report::{EmbedReport, Layout, PageReport};
pub use setup::SetupFacts;
pub use spare::SpareRange;

/// Distance within a node (T2). Only this value, both ways, counts as local (B5).
pub const LOCAL_DISTANCE: u32 = 10;
/// Distance to every other node when nothing better is known (T2).
pub const REMOTE_DISTANCE: u32 = 20;
/// The smallest dynamic part of a first chunk, in bytes (B1, `PERCPU_DYNAMIC_EARLY_SIZE`).
pub const DYNAMIC_EARLY_SIZE: u64 = 20 << 10;
/// The smallest unit, in bytes (B2, `PCPU_MIN_UNIT_SIZE`).
pub const MIN_UNIT_SIZE: u64 = 32 << 10;

/// The shape of the first chunk: sizes, groups, and every CPU's place.
///
/// `CPUS` bounds the number of possible CPUs (not their ids), `GROUPS` the number of groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllocInfo<const CPUS: usize = MAX_CPUS, const GROUPS: usize = MAX_NODES> {
    sizes: Sizes,
    alloc_size: u64,
    unit_size: u64,
    units_per_alloc: u32,
    cpu_count: usize,
    group_count: usize,
    /// By ascending CPU id.
    cpus: [Seat; CPUS],
    /// CPU ids, group after group, ascending within each.
    members: [CpuId; CPUS],
    groups: [GroupRecord; GROUPS],
}

/// Where one CPU sits: which group, and which unit of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seat {
    cpu: CpuId,
    group: u16,
    unit: u16,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct GroupRecord {
    base_offset: u64,
    first_member: u32,
    member_count: u32,
    first_unit: u32,
    unit_count: u32,
}

/// One group: CPUs near each other, whose units are one contiguous piece of memory.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    record: GroupRecord,
    members: &'a [CpuId],
    unit_size: u64,
}

impl<'a> Group<'a> {
    /// Units, unused ones included. A multiple of the units per allocation (B8).
    pub fn unit_count(&self) -> usize {
        self.record.unit_count as usize
    }

    /// Index of the group's first unit, counted over all groups, unused units included (E2).
    pub fn first_unit(&self) -> usize {
        self.record.first_unit as usize
    }

    /// Bytes of memory that the group needs.
    pub fn size(&self) -> u64 {
        u64::from(self.record.unit_count) * self.unit_size
    }

    /// Distance from the chunk base to the group: back to back (B9) until
    /// [`AllocInfo::place_groups`] has said where the memory really is (M6).
    pub fn base_offset(&self) -> u64 {
        self.record.base_offset
    }

    /// The group's CPUs, ascending. The first one is the founder (B5), and its node the group's (M2).
    pub fn cpus(&self) -> &'a [CpuId] {
        self.members
    }

    /// What each unit is for, in unit order: a CPU, or `None` for a unit that nobody uses (B8).
    pub fn cpu_map(&self) -> impl Iterator<Item = Option<CpuId>> + Clone + use<'a> {
        let members = self.members;
        (0..self.unit_count()).map(move |unit| members.get(unit).copied())
    }
}

impl<const CPUS: usize, const GROUPS: usize> AllocInfo<CPUS, GROUPS> {
    /// Bytes of the static part, as given.
    pub fn static_size(&self) -> u64 {
        self.sizes.static_size
    }

    /// Bytes of the reserved part, as given.
    pub fn reserved_size(&self) -> u64 {
        self.sizes.reserved_size
    }

    /// Bytes of the dynamic part: re-derived, so that the three parts fill whole pages exactly (B1).
    pub fn dyn_size(&self) -> u64 {
        self.sizes.dyn_size
    }

    /// Granularity of memory requests in bytes, as given (B3).
    pub fn atom_size(&self) -> u64 {
        self.sizes.atom_size
    }

    /// Bytes of one memory request: a multiple of the atom (B3).
    pub fn alloc_size(&self) -> u64 {
        self.alloc_size
    }

    /// Bytes from one unit of a group to the next (B8).
    pub fn unit_size(&self) -> u64 {
        self.unit_size
    }

    /// Units that share one memory request (B4).
    pub fn units_per_alloc(&self) -> usize {
        self.units_per_alloc as usize
    }

    /// Bytes of a unit that are used: static, reserved and dynamic. A multiple of the page (B1).
    /// The rest of the unit goes back to whoever gave the memory (M5).
    pub fn size_sum(&self) -> u64 {
        self.sizes.static_size + self.sizes.reserved_size + self.sizes.dyn_size
    }

    /// Units over all groups, unused ones included (E2).
    pub fn unit_count(&self) -> usize {
        self.groups().map(|group| group.unit_count()).sum()
    }

    /// Number of possible CPUs.
    pub fn cpu_count(&self) -> usize {
        self.cpu_count
    }

    /// Number of groups.
    pub fn group_count(&self) -> usize {
        self.group_count
    }

    /// The possible CPUs, ascending.
    pub fn cpus(&self) -> impl Iterator<Item = CpuId> + '_ {
        self.seats().iter().map(|seat| seat.cpu)
    }

    /// The groups, ordered by their lowest CPU (B5).
    pub fn groups(&self) -> impl Iterator<Item = Group<'_>> + Clone {
        self.records().iter().map(|record| self.view(record))
    }

    /// The group with this index.
    pub fn group(&self, index: usize) -> Option<Group<'_>> {
        self.records().get(index).map(|record| self.view(record))
    }

    /// Index of the CPU's group; `None` if the CPU is not possible.
    pub fn group_of(&self, cpu: CpuId) -> Option<usize> {
        self.seat(cpu).map(|seat| usize::from(seat.group))
    }

    /// Index of the CPU's unit, counted over all groups, unused units included (E2).
    pub fn unit_index(&self, cpu: CpuId) -> Option<usize> {
        let seat = self.seat(cpu)?;
        let record = self.records().get(usize::from(seat.group))?;
        Some(record.first_unit as usize + usize::from(seat.unit))
    }

    /// Distance from the chunk base to the CPU's unit (E1); `None` if the CPU is not possible.
    pub fn unit_offset(&self, cpu: CpuId) -> Option<UnitOffset> {
        let seat = self.seat(cpu)?;
        let record = self.records().get(usize::from(seat.group))?;
        Some(UnitOffset::new(
            record.base_offset + u64::from(seat.unit) * self.unit_size,
        ))
    }

    /// The CPUs whose units start lowest and highest. By offset, not by index (E1).
    pub fn lowest_and_highest(&self) -> Option<(CpuId, CpuId)> {
        let lowest = self.cpus().min_by_key(|cpu| self.unit_offset(*cpu))?;
        let highest = self.cpus().max_by_key(|cpu| self.unit_offset(*cpu))?;
        Some((lowest, highest))
    }

    fn seats(&self) -> &[Seat] {
        self.cpus.get(..self.cpu_count).unwrap_or(&[])
    }

    /// Dense ids (the usual case) are found at their own index, sparse ones by halving.
    fn seat(&self, cpu: CpuId) -> Option<&Seat> {
        let seats = self.seats();
        match seats.get(cpu.index()) {
            Some(seat) if seat.cpu == cpu => Some(seat),
            _ => seats.get(seats.binary_search_by_key(&cpu, |seat| seat.cpu).ok()?),
        }
    }

    fn records(&self) -> &[GroupRecord] {
        self.groups.get(..self.group_count).unwrap_or(&[])
    }

    fn view(&self, record: &GroupRecord) -> Group<'_> {
        let first = record.first_member as usize;
        let members = self
            .members
            .get(first..first + record.member_count as usize)
            .unwrap_or(&[]);
        Group {
            record: *record,
            members,
            unit_size: self.unit_size,
        }
    }
}
