//! What the witness says when the machine ends.

use serde::Serialize;

use crate::class::Kind;
use crate::counts::Counts;
use crate::lines::{Lines, Summary};
use crate::stretch::Told;

/// All of it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What was before the first mark, and then one for each mark of a row.
    pub rows: Vec<RowReport>,
}

/// What was seen from one mark of a row to the next.
#[derive(Debug, Serialize)]
pub struct RowReport {
    /// Of the CPUs that had windows, each its own.
    pub cpus: Vec<CpuReport>,
    /// Lines of the windows that were traced.
    pub lines: Option<Summary>,
    /// The longest time that a CPU kept interrupts off.
    pub longest: Told,
}

/// One CPU's windows in a row.
#[derive(Debug, Serialize)]
pub struct CpuReport {
    /// Which.
    pub cpu: u32,
    /// How many windows it had.
    pub windows: usize,
    /// How many of them an interrupt or fault came into. They are left out of everything else, if there are others.
    pub disturbed: usize,
    /// How many counted just what the median counted.
    pub same: usize,
    /// The fewest instructions of a window.
    pub least: u64,
    /// The most.
    pub most: u64,
    /// The window with the median number of instructions.
    pub median: Counts,
    /// What all other CPUs executed meanwhile: the window with the median number of their instructions. Not for windows that
    /// are traced.
    pub others: Option<Counts>,
}

/// A window that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Whose.
    pub cpu: u32,
    /// What it executed.
    pub own: Counts,
    /// What all others did meanwhile.
    pub others: Option<Counts>,
}

/// What is gathered from one mark of a row to the next.
#[derive(Default)]
pub struct Row {
    /// All windows.
    pub windows: Vec<Window>,
    /// Lines of those that are traced.
    pub lines: Lines,
    /// The longest so far.
    pub longest: Told,
}

impl Window {
    /// Somebody came back from an interrupt or fault in it.
    #[must_use]
    pub const fn is_disturbed(&self) -> bool {
        self.own.of(Kind::Iret) > 0
    }
}

impl Row {
    /// Summed up.
    #[must_use]
    pub fn report(&self) -> RowReport {
        let mut numbers: Vec<u32> = self.windows.iter().map(|window| window.cpu).collect();
        numbers.sort_unstable();
        numbers.dedup();
        RowReport {
            cpus: numbers
                .into_iter()
                .filter_map(|cpu| of_cpu(&self.windows, cpu))
                .collect(),
            lines: self.lines.summary(),
            longest: self.longest.clone(),
        }
    }
}

fn of_cpu(windows: &[Window], cpu: u32) -> Option<CpuReport> {
    let all = windows.iter().filter(|window| window.cpu == cpu);
    let quiet: Vec<&Window> = all.clone().filter(|window| !window.is_disturbed()).collect();
    let windows = all.clone().count();
    let disturbed = windows - quiet.len();
    let counted = if quiet.is_empty() { all.collect() } else { quiet };
    let instructions = |counts: &Counts| counts.of(Kind::Instruction);
    let own = sorted(counted.iter().map(|window| window.own));
    let others = sorted(counted.iter().filter_map(|window| window.others));
    let median = *own.get(own.len() / 2)?;
    Some(CpuReport {
        cpu,
        windows,
        disturbed,
        same: own.iter().filter(|counts| **counts == median).count(),
        least: own.first().map_or(0, instructions),
        most: own.last().map_or(0, instructions),
        median,
        others: others.get(others.len() / 2).copied(),
    })
}

fn sorted(counts: impl Iterator<Item = Counts>) -> Vec<Counts> {
    let mut sorted: Vec<Counts> = counts.collect();
    sorted.sort_unstable_by_key(|counts| counts.0);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(cpu: u32, instructions: u64, irets: u64) -> Window {
        let mut own = Counts::default();
        own.0[Kind::Instruction as usize] = instructions;
        own.0[Kind::Iret as usize] = irets;
        Window {
            cpu,
            own,
            others: Some(Counts::default()),
        }
    }

    #[test]
    fn each_cpus_median_leaves_disturbed_windows_out() {
        let row = Row {
            windows: vec![
                window(1, 100, 0),
                window(1, 100, 0),
                window(1, 99, 0),
                window(1, 900, 1),
                window(0, 5, 0),
            ],
            ..Row::default()
        };
        let report = row.report();
        assert_eq!(report.cpus[0].cpu, 0);
        let cpu = &report.cpus[1];
        assert_eq!((cpu.windows, cpu.disturbed, cpu.same), (4, 1, 2));
        assert_eq!((cpu.least, cpu.most), (99, 100));
        assert_eq!(cpu.median.of(Kind::Instruction), 100);
    }
}
