//! `cargo run -p selion-tests --bin measure`: everything that the baseline holds, measured anew, as JSON. That is the
//! program `bench` with 4 CPUs, `bench-percpu` with 64, and building the first chunk with 1, 8, 64 and 255.
//! `-- --check` compares it with the baseline, `-- --bless` makes it that.

use std::process::ExitCode;

use run_qemu::{Prepared, Workspace, say};
use selion_tests::{Baseline, first_chunk_build, measured};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("measure: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let asked = |word: &str| std::env::args().any(|argument| argument == word);
    let prepared = Workspace::find().and_then(|workspace| Prepared::new(workspace, None));
    let prepared = prepared.map_err(|failure| failure.message)?;
    let counts = measured::all(&prepared)?;
    let text = serde_json::to_string_pretty(&counts).map_err(|error| error.to_string())?;
    println!("{text}");
    let slopes = first_chunk_build::per_cpu(&counts);
    say(format!(
        "first chunk: instructions for each further CPU: {slopes:?}"
    ));
    let (mut baseline, compiler) = (Baseline::read()?, prepared.compiler());
    let gains = baseline.gains(compiler, &counts);
    if !gains.is_empty() {
        say(format!("better than the baseline:\n{}", gains.join("\n")));
    }
    if asked("--bless") {
        baseline.bless(compiler, &counts)?;
    }
    if asked("--check") && !baseline.knows(compiler) {
        say(format!("no baseline for this compiler: {compiler}"));
    }
    let complaints = baseline.complaints(compiler, |_| true, &counts);
    match asked("--check") && !complaints.is_empty() {
        true => Err(complaints.join("\n")),
        false => Ok(()),
    }
}
