//! What is measured for the baseline: which machine runs what, and how its rows are called there.

use std::time::Duration;

use run_qemu::{Machine, Prepared, Results, Status, Transcript, Watch, Witness};

use crate::baseline::Counts;
use crate::first_chunk_build;

/// Generous: 64 CPUs take a while to start on two.
const TIME_LIMIT: Duration = Duration::from_secs(240);

/// Programs on a machine, and what their rows' names begin with.
#[derive(Debug)]
pub struct Bench {
    cpus: &'static [u32],
    program: &'static str,
    prefix: &'static str,
}

/// The one bench on the default machine: kernel, per-CPU types, memory kept.
pub const DEFAULT: Bench = Bench {
    cpus: &[2, 2],
    program: "bench",
    prefix: "",
};

/// The per-CPU types where 64 units are cleared and summed.
pub const WITH_64_CPUS: Bench = Bench {
    cpus: &[64],
    program: "bench-percpu",
    prefix: "64-cpus/",
};

impl Bench {
    /// Boots the machine. How it ended is for the caller to judge.
    pub fn run(&self, prepared: &Prepared) -> Result<(Transcript, Results), String> {
        let machine = Machine {
            nodes: self.cpus.to_vec(),
            icount: true,
            ..Machine::default()
        };
        let watch = Watch {
            echo: false,
            time_limit: Some(TIME_LIMIT),
        };
        self.watched(prepared, machine, watch)
            .map_err(|failure| failure.message)
    }

    /// The same with the witness, which adds what it saw of rows that it was shown.
    fn watched(
        &self,
        prepared: &Prepared,
        mut machine: Machine,
        watch: Watch,
    ) -> run_qemu::Result<(Transcript, Results)> {
        let witness = Witness::new(prepared)?;
        witness.watch(&mut machine);
        let runs = prepared.runs(&[self.program])?;
        let transcript = prepared.boot(&machine, &runs, watch)?;
        let mut results = Results::read(prepared.compiler(), &machine, &transcript);
        if transcript.status == Some(Status::Ok) {
            results.add(&witness.report()?, prepared.kernel_symbols().as_ref())?;
        }
        Ok((transcript, results))
    }

    /// The medians, as the baseline calls them.
    pub fn counts(&self, results: &Results) -> Counts {
        let medians = results.measurements.iter();
        medians
            .map(|(name, measured)| (format!("{}{name}", self.prefix), measured.median))
            .collect()
    }

    /// Whether a name of the baseline is one of its rows.
    pub fn owns(&self, name: &str) -> bool {
        let others = [WITH_64_CPUS.prefix, first_chunk_build::PREFIX];
        match self.prefix {
            "" => !others.iter().any(|other| name.starts_with(other)),
            prefix => name.starts_with(prefix),
        }
    }
}

/// Everything.
pub fn all(prepared: &Prepared) -> Result<Counts, String> {
    let mut counts = first_chunk_build::measure(prepared)?;
    for bench in [DEFAULT, WITH_64_CPUS] {
        let (transcript, results) = bench.run(prepared)?;
        if transcript.status != Some(Status::Ok) || !results.counted {
            return Err(format!("{bench:?} did not come to a good end\n{transcript}"));
        }
        counts.extend(bench.counts(&results));
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_belongs_to_one_run() {
        let owners = |name| [DEFAULT, WITH_64_CPUS].map(|bench| bench.owns(name));
        assert_eq!(owners("call"), [true, false]);
        assert_eq!(owners("64-cpus/box-pair"), [false, true]);
        assert_eq!(owners("first-chunk-build-64"), [false, false]);
    }
}
