//! What Linux prints about the shape: the report line, and the layout dump at debug level.
//!
//! Formatters only, without the `percpu: ` prefix: the caller's log adds its own.
//!
//! Sources: M7, P4, E4.

use core::fmt;

use super::AllocInfo;
use crate::PAGE_SIZE;

/// `Embedded N pages/cpu s… r… d… u…` (M7).
#[derive(Clone, Copy, Debug)]
pub struct EmbedReport<'a, const CPUS: usize, const GROUPS: usize>(&'a AllocInfo<CPUS, GROUPS>);

/// `N 4K pages/cpu s… r… d…` (P4).
#[derive(Clone, Copy, Debug)]
pub struct PageReport<'a, const CPUS: usize, const GROUPS: usize>(&'a AllocInfo<CPUS, GROUPS>);

/// The layout dump (E4): lines that start with `pcpu-alloc: `, a blank behind each item, a line feed
/// between lines and none at the end.
#[derive(Clone, Copy, Debug)]
pub struct Layout<'a, const CPUS: usize, const GROUPS: usize>(&'a AllocInfo<CPUS, GROUPS>);

impl<const CPUS: usize, const GROUPS: usize> AllocInfo<CPUS, GROUPS> {
    /// The line that reports a first chunk embedded in the linear mapping.
    pub fn embed_report(&self) -> EmbedReport<'_, CPUS, GROUPS> {
        EmbedReport(self)
    }

    /// The line that reports a first chunk made of single pages.
    pub fn page_report(&self) -> PageReport<'_, CPUS, GROUPS> {
        PageReport(self)
    }

    /// The lines that show which unit is whose.
    pub fn layout(&self) -> Layout<'_, CPUS, GROUPS> {
        Layout(self)
    }
}

impl<const CPUS: usize, const GROUPS: usize> fmt::Display for EmbedReport<'_, CPUS, GROUPS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let info = self.0;
        write!(f, "Embedded {} pages/cpu ", info.size_sum() / PAGE_SIZE)?;
        write!(f, "s{} r{} ", info.static_size(), info.reserved_size())?;
        write!(f, "d{} u{}", info.dyn_size(), info.unit_size())
    }
}

impl<const CPUS: usize, const GROUPS: usize> fmt::Display for PageReport<'_, CPUS, GROUPS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let info = self.0;
        write!(f, "{} 4K pages/cpu ", info.unit_size() / PAGE_SIZE)?;
        write!(
            f,
            "s{} r{} d{}",
            info.static_size(),
            info.reserved_size(),
            info.dyn_size()
        )
    }
}

impl<const CPUS: usize, const GROUPS: usize> fmt::Display for Layout<'_, CPUS, GROUPS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let info = self.0;
        let (cpu_width, group_width) = (digits(info.cpu_count()), digits(info.group_count()));
        let width = info.units_per_alloc() * (cpu_width + 1) + group_width + 3;
        let allocs_per_line = 1usize << (60 / width).max(1).ilog2();
        write!(
            f,
            "pcpu-alloc: s{} r{} ",
            info.static_size(),
            info.reserved_size()
        )?;
        write!(f, "d{} u{} ", info.dyn_size(), info.unit_size())?;
        write!(
            f,
            "alloc={}*{}",
            info.alloc_size() / info.atom_size(),
            info.atom_size()
        )?;
        let units = info.groups().enumerate().flat_map(|(index, group)| {
            group
                .cpu_map()
                .enumerate()
                .map(move |(unit, cpu)| (index, group.first_unit() + unit, cpu))
        });
        for (group, unit, cpu) in units {
            if unit.is_multiple_of(info.units_per_alloc()) {
                if (unit / info.units_per_alloc()).is_multiple_of(allocs_per_line) {
                    write!(f, "\npcpu-alloc: ")?;
                }
                write!(f, "[{group:0group_width$}] ")?;
            }
            match cpu {
                Some(cpu) => write!(f, "{:0cpu_width$} ", cpu.get())?,
                None => write!(f, "{:-<cpu_width$} ", "")?,
            }
        }
        Ok(())
    }
}

/// Decimal digits of a number.
fn digits(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}
