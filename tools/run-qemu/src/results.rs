//! What the programs that `bench` stands for measured: read from its rows, kept with the compiler that built it.
//!
//! Instruction counts belong to a compiler, so numbers of different ones are never compared.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::machine::Machine;
use crate::status::{Failure, Result};
use crate::transcript::Transcript;

/// One measurement: instructions of a round, or bytes where the name says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
}

impl Results {
    /// Read a run's rows.
    #[must_use]
    pub fn read(compiler: &str, machine: &Machine, transcript: &Transcript) -> Results {
        let rows = transcript.lines.iter().filter_map(|line| row(line.trim()));
        Results {
            compiler: compiler.to_string(),
            cpu: machine.cpu.clone(),
            cpus: machine.cpus(),
            counted: is_counted(&transcript.lines),
            measurements: rows.collect(),
        }
    }

    /// Write them as JSON.
    pub fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string());
        let written = text.and_then(|text| fs::write(file, text + "\n").map_err(|error| error.to_string()));
        written.map_err(|error| Failure::usage(format!("--json {}: {error}", file.display())))
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
        let line = "bench round-trip 195 min 190 max 1592 disturbed 2 rounds 4096 seL4 395 at-most 220";
        let expected = Measurement {
            median: 195,
            min: 190,
            max: 1592,
            disturbed: 2,
            rounds: 4096,
        };
        assert_eq!(row(line), Some(("round-trip".into(), expected)));
        for line in [
            "bench counted yes",
            "check round-trip ok",
            "bench call 1 min 1 max 1 disturbed 0",
            "bench call x min 1 max 1 disturbed 0 rounds 4",
        ] {
            assert_eq!(row(line), None, "{line}");
        }
    }
}
