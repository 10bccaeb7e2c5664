//! How many instructions and how much time the allocator takes, compared with what it took before.
//!
//! `cargo bench -p percpu-core` prints the numbers; behind `--`: `--json FILE` writes them, `--check` fails
//! if one is more than 1 % above `baseline.json`, `--bless` writes that file, `--counter` chooses how
//! instructions are counted, and any other word keeps the workloads with that word in their name.

use std::{env, error::Error, path::PathBuf, process::ExitCode};

use count::Counter;
use report::{Numbers, Report};
use workload::Workload;

mod count;
mod machine;
mod report;
mod steady;
mod trace;
mod workload;

#[path = "../../tests/conformance/generator.rs"]
#[allow(dead_code, reason = "shared with the conformance test, which uses all of it")]
mod generator;

/// What everything here fails with.
type Failure = Box<dyn Error>;

#[derive(Default)]
struct Options {
    is_bench: bool,
    json: Option<PathBuf>,
    check: bool,
    bless: bool,
    counter: Option<Counter>,
    /// This process is counted while it does this workload.
    counted: Option<String>,
    filter: String,
}

fn main() -> ExitCode {
    match options().and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options, Failure> {
    let mut options = Options::default();
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .ok_or_else(|| format!("{argument} needs a value"))
        };
        match argument.as_str() {
            "--bench" => options.is_bench = true,
            "--json" => options.json = Some(value()?.into()),
            "--check" => options.check = true,
            "--bless" => options.bless = true,
            "--counter" => options.counter = Some(Counter::named(&value()?)?),
            "--counted" => options.counted = Some(value()?),
            option if option.starts_with('-') => return Err(format!("unknown option {option}").into()),
            word => options.filter = word.into(),
        }
    }
    Ok(options)
}

fn run(options: Options) -> Result<(), Failure> {
    if let Some(name) = &options.counted {
        return count::be_counted(&mut workload::named(name)?);
    }
    let names = workload::names()?;
    let chosen = names.into_iter().filter(|name| name.contains(&options.filter));
    if !options.is_bench {
        // Under `cargo test` it is enough that everything still runs.
        for name in chosen {
            (workload::named(&name)?.work)();
        }
        return Ok(());
    }
    let counter = options.counter.map_or_else(Counter::best, Ok)?;
    let nothing = counter.count(workload::NOTHING)?;
    let mut report = Report::new(counter)?;
    for name in chosen {
        let counted = counter.count(&name)?.saturating_sub(nothing);
        report.add(name.clone(), numbers(&name, counted)?);
    }
    if let Some(file) = &options.json {
        report.write(file)?;
    }
    if options.bless {
        report.bless()?;
    }
    if options.check { report.check() } else { Ok(()) }
}

/// Per operation. The time is the shortest of several runs: others use the machine too.
fn numbers(name: &str, counted: u64) -> Result<Numbers, Failure> {
    const RUNS: usize = 9;
    let mut shortest = f64::INFINITY;
    let mut operations = 1.0;
    for _ in 0..RUNS {
        let Workload {
            work,
            operations: count,
            ..
        } = &mut workload::named(name)?;
        operations = *count as f64;
        let start = std::time::Instant::now();
        work();
        shortest = shortest.min(start.elapsed().as_nanos() as f64 / operations);
    }
    Ok(Numbers {
        instructions: counted as f64 / operations,
        nanoseconds: shortest,
    })
}
