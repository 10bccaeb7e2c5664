//! Building the shape: sizes, then groups, then how many units share one memory request.
//!
//! The result is Linux's, number for number; the loop over candidates starts lower than Linux's where
//! the waste rule (B6) would refuse every candidate above anyway, so that it is bounded by the number
//! of CPUs and not by the sizes.
//!
//! Sources: B1 to B10; algorithm 3.1.

use super::{AllocInfo, DYNAMIC_EARLY_SIZE, GroupRecord, LOCAL_DISTANCE, MIN_UNIT_SIZE, Seat, ShapeError};
use crate::{CpuId, PAGE_SIZE};

/// What the caller asks for, all in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// The template: `end − start`.
    pub static_size: u64,
    /// The reserved part.
    pub reserved_size: u64,
    /// The dynamic part that is wanted at least. Raised to [`DYNAMIC_EARLY_SIZE`] and to a page border.
    pub dyn_size: u64,
    /// Granularity of memory requests: a multiple of the page. 2 MiB for embed, 4 KiB for page.
    pub atom_size: u64,
}

impl<const CPUS: usize, const GROUPS: usize> AllocInfo<CPUS, GROUPS> {
    /// Shapes the first chunk for these sizes and possible CPUs.
    ///
    /// `cpus` must ascend; ids may have gaps. `distance(a, b)` is asked in both directions, and two CPUs
    /// are near each other only if both answers are [`LOCAL_DISTANCE`] (B5). For Linux's "no callback"
    /// answer always that.
    ///
    /// Calls `distance` at most twice for each pair of a CPU and a group founder.
    ///
    /// # Errors
    ///
    /// Every [`ShapeError`]; each says by itself when.
    pub fn build(
        sizes: &Sizes,
        cpus: impl IntoIterator<Item = CpuId>,
        distance: impl Fn(CpuId, CpuId) -> u32,
    ) -> Result<Self, ShapeError> {
        let (sizes, alloc_size) = derive_sizes(sizes)?;
        let mut info = Self {
            sizes,
            alloc_size,
            unit_size: alloc_size,
            units_per_alloc: 1,
            cpu_count: 0,
            group_count: 0,
            cpus: [Seat::default(); CPUS],
            members: [CpuId::BOOT; CPUS],
            groups: [GroupRecord::default(); GROUPS],
        };
        info.seat_cpus(cpus)?;
        info.form_groups(distance)?;
        info.choose_units_per_alloc();
        info.lay_back_to_back()?;
        Ok(info)
    }

    fn seat_cpus(&mut self, cpus: impl IntoIterator<Item = CpuId>) -> Result<(), ShapeError> {
        let mut previous = None;
        for cpu in cpus {
            if previous.is_some_and(|previous| previous >= cpu) {
                return Err(ShapeError::NotAscending { cpu });
            }
            previous = Some(cpu);
            let limit = CPUS.min(usize::from(NO_GROUP));
            let room = self
                .cpus
                .get_mut(..limit)
                .and_then(|seats| seats.get_mut(self.cpu_count));
            let seat = room.ok_or(ShapeError::TooManyCpus { limit })?;
            *seat = Seat {
                cpu,
                group: NO_GROUP,
                unit: 0,
            };
            self.cpu_count += 1;
        }
        if self.cpu_count == 0 {
            Err(ShapeError::NoCpu)
        } else {
            Ok(())
        }
    }

    /// The lowest CPU without a group founds one and takes every other that is near *it* (B5).
    fn form_groups(&mut self, distance: impl Fn(CpuId, CpuId) -> u32) -> Result<(), ShapeError> {
        let near = |a, b| distance(a, b) == LOCAL_DISTANCE && distance(b, a) == LOCAL_DISTANCE;
        let Self {
            cpus,
            members,
            groups,
            ..
        } = self;
        let seats = cpus.get_mut(..self.cpu_count).unwrap_or_default();
        let mut placed = members.iter_mut();
        let mut first_member = 0;
        while let Some(first) = seats.iter().position(|seat| seat.group == NO_GROUP) {
            let record = groups
                .get_mut(self.group_count)
                .ok_or(ShapeError::TooManyGroups { limit: GROUPS })?;
            let founder = seats.get(first).map_or(CpuId::BOOT, |seat| seat.cpu);
            let mut taken = 0;
            for seat in seats.iter_mut().skip(first).filter(|seat| seat.group == NO_GROUP) {
                if seat.cpu != founder && !near(founder, seat.cpu) {
                    continue;
                }
                seat.group = self.group_count as u16;
                seat.unit = taken;
                taken += 1;
                if let Some(member) = placed.next() {
                    *member = seat.cpu;
                }
            }
            record.first_member = first_member;
            record.member_count = u32::from(taken);
            first_member += record.member_count;
            self.group_count += 1;
        }
        Ok(())
    }

    /// Tries every number of units per allocation downwards (B4), refuses waste (B6), stops where
    /// memory would grow (B7). One unit per allocation wastes nothing, so there always is an answer.
    fn choose_units_per_alloc(&mut self) {
        let cpus = self.cpu_count as u64;
        let most_waste = cpus / 3;
        // With more units than this the very first allocation wastes too much.
        let highest = (self.alloc_size / self.minimum_unit()).min(cpus + most_waste);
        let mut fewest_allocs = None;
        for units in (1..=highest)
            .rev()
            .filter(|units| divides(self.alloc_size, *units))
        {
            let allocs: u64 = self
                .records()
                .iter()
                .map(|r| u64::from(r.member_count).div_ceil(units))
                .sum();
            if allocs * units - cpus > most_waste {
                continue;
            }
            if fewest_allocs.is_some_and(|fewest| allocs > fewest) {
                break;
            }
            fewest_allocs = Some(allocs);
            self.units_per_alloc = units as u32;
        }
        self.unit_size = self.alloc_size / u64::from(self.units_per_alloc);
    }

    /// Rounds every group up to whole allocations (B8) and puts them behind one another (B9).
    fn lay_back_to_back(&mut self) -> Result<(), ShapeError> {
        let mut first_unit = 0u32;
        for record in self.groups.iter_mut().take(self.group_count) {
            record.first_unit = first_unit;
            record.unit_count = record.member_count.next_multiple_of(self.units_per_alloc);
            record.base_offset = u64::from(first_unit)
                .checked_mul(self.unit_size)
                .ok_or(ShapeError::SizeOverflow)?;
            first_unit += record.unit_count;
        }
        u64::from(first_unit)
            .checked_mul(self.unit_size)
            .map(|_| ())
            .ok_or(ShapeError::SizeOverflow)
    }

    fn minimum_unit(&self) -> u64 {
        self.size_sum().max(MIN_UNIT_SIZE)
    }
}

/// Not a group yet. Real group and unit indices stay below it, because CPUs are fewer.
const NO_GROUP: u16 = u16::MAX;

/// `size_sum`, the dynamic part that makes it exact (B1), and the size of one memory request (B2, B3).
fn derive_sizes(wanted: &Sizes) -> Result<(Sizes, u64), ShapeError> {
    let Sizes {
        static_size,
        reserved_size,
        dyn_size,
        atom_size,
    } = *wanted;
    if atom_size == 0 || !atom_size.is_multiple_of(PAGE_SIZE) {
        return Err(ShapeError::BadAtom { atom_size });
    }
    let fixed = static_size
        .checked_add(reserved_size)
        .ok_or(ShapeError::SizeOverflow)?;
    let size_sum = fixed
        .checked_add(dyn_size.max(DYNAMIC_EARLY_SIZE))
        .and_then(|sum| sum.checked_next_multiple_of(PAGE_SIZE))
        .ok_or(ShapeError::SizeOverflow)?;
    let alloc_size = size_sum
        .max(MIN_UNIT_SIZE)
        .checked_next_multiple_of(atom_size)
        .ok_or(ShapeError::SizeOverflow)?;
    Ok((
        Sizes {
            static_size,
            reserved_size,
            dyn_size: size_sum - fixed,
            atom_size,
        },
        alloc_size,
    ))
}

/// `units` units of whole pages fill the allocation exactly (B4).
fn divides(alloc_size: u64, units: u64) -> bool {
    alloc_size.is_multiple_of(units) && (alloc_size / units).is_multiple_of(PAGE_SIZE)
}
