//! What the first chunk does not need of the memory that its groups got: it goes back.
//!
//! Groups are rounded up to whole allocations and units to whole fractions of one, so there are units
//! that nobody uses, and ends of units behind the dynamic part. Both are given back, but only after
//! *all* groups have their memory: a page that came back too early could be handed to a later group.
//!
//! Sources: M5, U1.

use super::{AllocInfo, GroupRecord, MIN_UNIT_SIZE, Seat, ShapeError, Sizes};
use crate::CpuId;

/// A piece of the first chunk that nobody needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpareRange {
    /// Bytes from the chunk base to its first byte. A multiple of the page.
    pub offset: u64,
    /// Bytes, more than 0. A multiple of the page.
    pub size: u64,
}

impl<const CPUS: usize, const GROUPS: usize> AllocInfo<CPUS, GROUPS> {
    /// The pieces to give back (M5), group by group, unit by unit: all of a unit without a CPU, and of
    /// every other what lies behind [`size_sum`](Self::size_sum). Call it after
    /// [`place_groups`](Self::place_groups): before that the offsets are provisional.
    pub fn spare_ranges(&self) -> impl Iterator<Item = SpareRange> + '_ {
        let units = self.groups().flat_map(|group| {
            let base = group.base_offset();
            group
                .cpu_map()
                .enumerate()
                .map(move |(unit, cpu)| (base, unit as u64, cpu))
        });
        units.filter_map(|(base, unit, cpu)| {
            let used = if cpu.is_some() { self.size_sum() } else { 0 };
            let size = self.unit_size() - used;
            let offset = base + unit * self.unit_size() + used;
            (size > 0).then_some(SpareRange { offset, size })
        })
    }

    /// The shape for one CPU that uses the template itself (U1): no static copy, no reserved part, one
    /// unit of a power of two that is dynamic throughout and needs one allocation aligned to itself.
    ///
    /// # Errors
    ///
    /// [`ShapeError::SizeOverflow`]: there is no such power of two.
    /// [`ShapeError::TooManyCpus`], [`ShapeError::TooManyGroups`]: the capacity is 0.
    pub fn build_up(dyn_size: u64) -> Result<Self, ShapeError> {
        let size = dyn_size.max(MIN_UNIT_SIZE).checked_next_power_of_two();
        let size = size.ok_or(ShapeError::SizeOverflow)?;
        let mut info = Self {
            sizes: Sizes {
                static_size: 0,
                reserved_size: 0,
                dyn_size: size,
                atom_size: size,
            },
            alloc_size: size,
            unit_size: size,
            units_per_alloc: 1,
            cpu_count: 1,
            group_count: 1,
            cpus: [Seat::default(); CPUS],
            members: [CpuId::BOOT; CPUS],
            groups: [GroupRecord::default(); GROUPS],
        };
        if CPUS == 0 {
            return Err(ShapeError::TooManyCpus { limit: CPUS });
        }
        let group = info
            .groups
            .first_mut()
            .ok_or(ShapeError::TooManyGroups { limit: GROUPS })?;
        *group = GroupRecord {
            member_count: 1,
            unit_count: 1,
            ..GroupRecord::default()
        };
        Ok(info)
    }
}
