//! What the programs that `bench` stands for measured: read from its rows, kept with the compiler that built it.
//!
//! Instruction counts belong to a compiler, so numbers of different ones are never compared.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::machine::Machine;
use crate::status::{Failure, Result};
use crate::transcript::Transcript;
use crate::witness::{Report, Row, Vector};

/// One measurement: instructions of a round, or bytes where the name says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Measurement {
    /// The one in the middle.
    pub median: u64,
    /// The cheapest.
    pub min: u64,
    /// The dearest.
    pub max: u64,
    /// How many differ from the median.
    pub disturbed: u64,
    /// How many there were.
    pub rounds: u64,
    /// Operations in each, where the witness was shown them.
    pub parts: Option<u64>,
    /// What was seen from outside.
    pub witness: Option<Seen>,
}

/// What the witness saw of a measurement's rounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Its windows: one for each round.
    pub windows: u64,
    /// Those that an interrupt came into; they are left out.
    pub disturbed: u64,
    /// Those in which all was as in the median one.
    pub same: u64,
    /// Instructions of the median round, without those of reading nothing: the median that the guest measures, times the
    /// parts.
    pub instructions: u64,
    /// What was executed in it, by kind.
    pub vector: Vector,
    /// What other CPUs executed meanwhile, if they did anything.
    pub others: Vector,
    /// The longest time with interrupts off in all rounds, in instructions, and what it was.
    pub interrupts_off: u64,
    /// See `interrupts_off`.
    pub interrupts_off_in: String,
}

/// All measurements of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Results {
    /// Who built kernel and programs: see [`crate::Prepared::compiler`].
    pub compiler: String,
    /// QEMU's CPU model.
    pub cpu: String,
    /// Virtual CPUs.
    pub cpus: u32,
    /// The guest found that its time stamp counter counts instructions (rows in bytes do not depend on it).
    pub counted: bool,
    /// By name.
    pub measurements: BTreeMap<String, Measurement>,
    /// The names of those that the witness was shown, in the order in which they were measured.
    #[serde(skip)]
    pub order: Vec<String>,
}

/// The row that measures nothing.
const EMPTY: &str = "empty";

impl Results {
    /// Read a run's rows.
    #[must_use]
    pub fn read(compiler: &str, machine: &Machine, transcript: &Transcript) -> Results {
        let rows = transcript.lines.iter().filter_map(|line| row(line.trim()));
        let rows: Vec<(String, Measurement)> = rows.collect();
        let marked = rows.iter().filter(|(_, row)| row.parts.is_some());
        let order = marked.map(|(name, _)| name.clone());
        Results {
            compiler: compiler.to_string(),
            cpu: machine.cpu.clone(),
            cpus: machine.cpus(),
            counted: is_counted(&transcript.lines),
            order: order.collect(),
            measurements: rows.into_iter().collect(),
        }
    }

    /// Puts beside each measurement what was seen from outside: a row of the report for each, in the same order.
    pub fn add(&mut self, report: &Report, kernel: Option<&addr2line::Loader>) -> Result<()> {
        let rows = report.rows.get(1..).unwrap_or_default();
        if self.order.is_empty() {
            // Other programs mark rows for other readers.
            return Ok(());
        }
        if rows.len() != self.order.len() {
            return Err(Failure::qemu(format!(
                "the witness saw {} rows, the guest printed {}",
                rows.len(),
                self.order.len()
            )));
        }
        let instructions = |row: &Row| row.main().map_or(0, |windows| of(&windows.median, INSTRUCTIONS));
        let names = self.order.iter().zip(rows);
        let empty = names.clone().find(|(name, _)| *name == EMPTY);
        let empty = empty.map_or(0, |(_, row)| instructions(row));
        for (name, row) in names {
            let measurement = self.measurements.get_mut(name);
            if let Some((windows, measurement)) = row.main().zip(measurement) {
                measurement.witness = Some(Seen {
                    windows: windows.windows,
                    disturbed: windows.disturbed,
                    same: windows.same,
                    instructions: instructions(row).saturating_sub(empty),
                    vector: without_zeros(Some(&windows.median)),
                    others: without_zeros(windows.others.as_ref()),
                    interrupts_off: row.longest.instructions,
                    interrupts_off_in: row.longest.explain(kernel),
                });
            }
        }
        Ok(())
    }

    /// Write them as JSON.
    pub fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string());
        let written = text.and_then(|text| fs::write(file, text + "\n").map_err(|error| error.to_string()));
        written.map_err(|error| Failure::usage(format!("--json {}: {error}", file.display())))
    }
}

/// The kind that counts all.
const INSTRUCTIONS: &str = "instructions";

fn of(vector: &Vector, kind: &str) -> u64 {
    vector.get(kind).copied().unwrap_or(0)
}

fn without_zeros(vector: Option<&Vector>) -> Vector {
    let counts = vector.into_iter().flatten();
    counts
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| (name.clone(), *count))
        .collect()
}

impl Seen {
    /// How often something was executed in a round.
    #[must_use]
    pub fn count(&self, kind: &str) -> u64 {
        of(&self.vector, kind)
    }
}

impl Display for Seen {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.instructions)?;
        for (name, count) in self.vector.iter().filter(|(name, _)| *name != INSTRUCTIONS) {
            write!(f, ", {name} {count}")?;
        }
        if let Some(others) = self.others.get(INSTRUCTIONS) {
            write!(f, "; on other CPUs {others}")?;
        }
        write!(f, "; interrupts off for {}", self.interrupts_off)
    }
}

/// Every program that measures says whether it found that; all have to.
fn is_counted(lines: &[String]) -> bool {
    let mut words = lines
        .iter()
        .filter_map(|line| line.trim().strip_prefix("bench counted "));
    let first = words.next();
    first == Some("yes") && words.all(|word| word == "yes")
}

/// `bench NAME MEDIAN min MIN max MAX disturbed D rounds N`, and what may stand behind it.
fn row(line: &str) -> Option<(String, Measurement)> {
    let mut words = line.strip_prefix("bench ")?.split_whitespace();
    let name = words.next()?;
    let median = words.next()?.parse().ok()?;
    let mut after =
        |label: &str| -> Option<u64> { (words.next()? == label).then(|| words.next())??.parse().ok() };
    let measurement = Measurement {
        median,
        min: after("min")?,
        max: after("max")?,
        disturbed: after("disturbed")?,
        rounds: after("rounds")?,
        parts: after("parts"),
        witness: None,
    };
    Some((name.to_string(), measurement))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_who_measure_have_to_count() {
        let counted =
            |lines: &[&str]| is_counted(&lines.iter().map(|line| line.to_string()).collect::<Vec<_>>());
        assert!(counted(&[
            "bench counted yes",
            "bench call 1",
            "bench counted yes"
        ]));
        assert!(!counted(&["bench counted yes", "bench counted no"]));
        assert!(!counted(&["bench call 1"]));
    }

    #[test]
    fn a_row_is_read_whole_or_not_at_all() {
        let line =
            "bench round-trip 195 min 190 max 1592 disturbed 2 rounds 4096 parts 1 seL4 395 at-most 220";
        let expected = Measurement {
            median: 195,
            min: 190,
            max: 1592,
            disturbed: 2,
            rounds: 4096,
            parts: Some(1),
            witness: None,
        };
        assert_eq!(row(line), Some(("round-trip".into(), expected)));
        for line in [
            "bench counted yes",
            "check round-trip ok",
            "bench call 1 min 1 max 1 disturbed 0",
            "bench call x min 1 max 1 disturbed 0 rounds 4 parts 1",
        ] {
            assert_eq!(row(line), None, "{line}");
        }
    }
}
