//! Replays the vectors that were recorded from Linux, row by row.
//!
//! `PERCPU_VECTORS=DIR cargo test -p percpu-core --test conformance` reads every `.json` file of a
//! directory; the default is `tests/vectors` beside this crate. Says for each section how many rows were
//! replayed, and names the sections that nothing replays. Fails if a row differs, if a section that can
//! be replayed is missing or empty, or if nothing was replayed at all: silence must not look
//! like success. No test harness, so that the counts are seen under plain `cargo test`.

use std::{env, process::ExitCode};

use serde_json::Value;
use vectors::Sections;

mod chunk;
mod chunk_state;
mod first_chunk;
mod generator;
mod machine;
mod shape;
mod vectors;
mod whole;

/// A row as recorded; the reason if the replay gives something else.
type Replay = fn(&Value) -> Result<(), String>;

const SECTIONS: [(&str, Replay); 13] = [
    ("build_alloc_info", shape::named),
    ("build_alloc_info_distance_matrix", shape::named),
    ("build_alloc_info_fuzz", shape::named),
    ("real_boot_logs", shape::real_boot_log),
    ("first_chunk", first_chunk::memory),
    ("up_first_chunk", first_chunk::up),
    ("slots", chunk::slots),
    ("size_to_slot", chunk::size_slot),
    ("argument_check", chunk::argument),
    ("scripted", chunk::scripted),
    ("lcg_single", chunk::random),
    ("whole_allocator", whole::trace),
    ("invalid_free", chunk::scripted),
];

/// How many differing rows are printed for each section.
const SHOWN: usize = 5;

fn main() -> ExitCode {
    if env::args().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let directory = vectors::directory();
    println!("\nconformance: vectors from {}", directory.display());
    match vectors::read(&directory).and_then(|sections| replay_all(&sections)) {
        Ok(rows) => {
            println!("conformance: {rows} rows replayed in full, all equal\n");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            println!("conformance: FAILED: {reason}\n");
            ExitCode::FAILURE
        }
    }
}

/// Replays everything that can be, and says how many rows that was in full.
fn replay_all(sections: &Sections) -> Result<usize, String> {
    let mut replayed = 0;
    let mut broken = Vec::new();
    for (name, replay) in SECTIONS {
        let rows = sections.get(name).map_or(&[][..], Vec::as_slice);
        if rows.is_empty() {
            println!("  {name}: MISSING OR EMPTY");
            broken.push(format!("section {name} is missing or empty"));
            continue;
        }
        broken.extend(replay_section(name, replay, rows).err());
        replayed += rows.len();
    }
    for (name, rows) in sections
        .iter()
        .filter(|(name, _)| SECTIONS.iter().all(|(known, _)| known != name))
    {
        println!("  {name}: unknown section, {} rows not replayed", rows.len());
    }
    match broken.is_empty() {
        true if replayed > 0 => Ok(replayed),
        true => Err("nothing was replayed".into()),
        false => Err(broken.join("; ")),
    }
}

/// Replays one section. Refused if a row differs; the first few of those are printed.
fn replay_section(name: &str, replay: Replay, rows: &[Value]) -> Result<(), String> {
    let mut differing = 0;
    for (index, row) in rows.iter().enumerate() {
        let Err(difference) = replay(row) else { continue };
        differing += 1;
        if differing <= SHOWN {
            let label = row
                .get("name")
                .or(row.get("id"))
                .and_then(Value::as_str)
                .unwrap_or("?");
            println!("  {name} row {index} ({label}): {difference}");
        }
    }
    println!("  {name}: {} rows replayed, {differing} differ", rows.len());
    match differing {
        0 => Ok(()),
        _ => Err(format!(
            "section {name}: {differing} of {} rows differ",
            rows.len()
        )),
    }
}
