//! `cargo run -p selion-tests --bin first_chunk_build`: what building the first chunk costs with 1, 8, 64 and
//! 255 CPUs, in instructions, as JSON. `-- --check` compares it with the baseline, `-- --bless` makes it that.

use std::process::ExitCode;

use run_qemu::{Prepared, Workspace, say};
use selion_tests::{Baseline, first_chunk_build};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("first_chunk_build: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let asked = |word: &str| std::env::args().any(|argument| argument == word);
    let prepared = Workspace::find().and_then(|workspace| Prepared::new(workspace, None));
    let prepared = prepared.map_err(|failure| failure.message)?;
    let counts = first_chunk_build::measure(&prepared)?;
    let text = serde_json::to_string_pretty(&counts).map_err(|error| error.to_string())?;
    println!("{text}");
    say(format!(
        "instructions for each further CPU: {:?}",
        first_chunk_build::per_cpu(&counts)
    ));
    let (mut baseline, compiler) = (Baseline::read()?, prepared.compiler());
    if asked("--bless") {
        baseline.bless(compiler, &counts)?;
    }
    if asked("--check") && !baseline.knows(compiler) {
        say(format!("no baseline for this compiler: {compiler}"));
    }
    match baseline.complaints(
        compiler,
        |name| name.starts_with(first_chunk_build::PREFIX),
        &counts,
    ) {
        complaints if asked("--check") && !complaints.is_empty() => Err(complaints.join("\n")),
        _ => Ok(()),
    }
}
