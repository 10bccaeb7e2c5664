//! Replays the vectors that were recorded from Linux, row by row.
//!
//! `PERCPU_VECTORS=DIR cargo test -p percpu-core --test conformance` reads every `.json` file of a
//! directory; the default is `tests/vectors` beside this crate. Says for each section how many rows were
//! replayed, and names the sections that nothing replays. Fails if a row differs, if a section that can
//! be replayed is missing or empty, or if nothing was replayed at all: silence must not look like
//! success. No test harness, so that the counts are seen under plain `cargo test`.

use std::{collections::BTreeMap, env, fs, path::Path, path::PathBuf, process::ExitCode};

use serde_json::Value;

mod shape;

/// A row as recorded; the reason if the replay gives something else.
type Replay = fn(&Value) -> Result<(), String>;

/// What can be replayed.
const REPLAYED: [(&str, Replay); 4] = [
    ("build_alloc_info", shape::named),
    ("build_alloc_info_distance_matrix", shape::named),
    ("build_alloc_info_fuzz", shape::named),
    ("real_boot_logs", shape::real_boot_log),
];

/// What was recorded, but has no code to replay it on yet.
const NOT_IMPLEMENTED: [&str; 9] = [
    "first_chunk",
    "up_first_chunk",
    "slots",
    "size_to_slot",
    "argument_check",
    "scripted",
    "lcg_single",
    "whole_allocator",
    "invalid_free",
];

/// How many differing rows are printed for each section.
const SHOWN: usize = 5;

fn main() -> ExitCode {
    if env::args().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let directory = env::var_os("PERCPU_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors"),
        PathBuf::from,
    );
    println!("\nconformance: vectors from {}", directory.display());
    let verdict = sections(&directory).and_then(|sections| {
        name_the_rest(&sections);
        replay_all(&sections)
    });
    match verdict {
        Ok(rows) => {
            println!("conformance: {rows} rows replayed, all equal\n");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            println!("conformance: FAILED: {reason}\n");
            ExitCode::FAILURE
        }
    }
}

/// All sections of all files, under their names. Files may share a section.
fn sections(directory: &Path) -> Result<BTreeMap<String, Vec<Value>>, String> {
    let unreadable = |error: std::io::Error| format!("{}: {error}", directory.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    let mut sections: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for path in files {
        let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = fs::read_to_string(&path).map_err(|error| wrong(&error))?;
        let Value::Object(file) = serde_json::from_str(&text).map_err(|error| wrong(&error))? else {
            return Err(wrong(&"not an object of sections"));
        };
        for (name, rows) in file.into_iter().filter(|(name, _)| name != "meta") {
            let rows = match rows {
                Value::Array(rows) => rows,
                row => vec![row],
            };
            sections.entry(name).or_default().extend(rows);
        }
    }
    Ok(sections)
}

fn name_the_rest(sections: &BTreeMap<String, Vec<Value>>) {
    for (name, rows) in sections {
        if NOT_IMPLEMENTED.contains(&name.as_str()) {
            println!("  {name}: not implemented yet, {} rows not replayed", rows.len());
        } else if !REPLAYED.iter().any(|(replayed, _)| replayed == name) {
            println!("  {name}: unknown section, {} rows not replayed", rows.len());
        }
    }
}

/// Replays everything that can be, and says how many rows that was.
fn replay_all(sections: &BTreeMap<String, Vec<Value>>) -> Result<usize, String> {
    let mut replayed = 0;
    let mut broken = Vec::new();
    for (name, replay) in REPLAYED {
        let rows = sections.get(name).map_or(&[][..], Vec::as_slice);
        if rows.is_empty() {
            println!("  {name}: MISSING OR EMPTY");
            broken.push(format!("section {name} is missing or empty"));
            continue;
        }
        let differing = replay_section(name, replay, rows);
        replayed += rows.len();
        if differing > 0 {
            broken.push(format!(
                "section {name}: {differing} of {} rows differ",
                rows.len()
            ));
        }
    }
    match broken.is_empty() {
        true if replayed > 0 => Ok(replayed),
        true => Err("nothing was replayed".into()),
        false => Err(broken.join("; ")),
    }
}

/// Replays one section and says how many rows differ.
fn replay_section(name: &str, replay: Replay, rows: &[Value]) -> usize {
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
    differing
}
