//! The numbers, as text and as JSON, and what they are compared with: a baseline for each compiler.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Map, Value, json};

use crate::{Failure, count::Counter};

/// A regression is more than this above the baseline.
const TOLERANCE: f64 = 0.01;

/// Per operation.
#[derive(Clone, Copy)]
pub struct Numbers {
    pub instructions: f64,
    pub nanoseconds: f64,
}

pub struct Report {
    /// Counts belong to a compiler, and to what it compiles for.
    compiler: String,
    counter: Counter,
    rows: Vec<(String, Numbers)>,
}

impl Report {
    pub fn new(counter: Counter) -> Result<Self, Failure> {
        let compiler = compiler()?;
        println!("{compiler}, counted by {counter:?}");
        println!("{:<34}{:>13}{:>10}", "per operation", "instructions", "ns");
        Ok(Self {
            compiler,
            counter,
            rows: Vec::new(),
        })
    }

    pub fn add(&mut self, name: String, numbers: Numbers) {
        let Numbers {
            instructions,
            nanoseconds,
        } = numbers;
        println!("{name:<34}{instructions:>13.1}{nanoseconds:>10.1}");
        self.rows.push((name, numbers));
    }

    pub fn write(&self, file: &Path) -> Result<(), Failure> {
        let rows = self.rows.iter().map(|(name, numbers)| {
            let Numbers {
                instructions,
                nanoseconds,
            } = *numbers;
            (
                name.clone(),
                json!({"instructions": instructions, "nanoseconds": nanoseconds}),
            )
        });
        let all = json!({
            "compiler": self.compiler,
            "counter": format!("{:?}", self.counter),
            "workloads": rows.collect::<Map<_, _>>(),
        });
        Ok(fs::write(file, format!("{all:#}\n"))?)
    }

    /// Writes what was counted as this compiler's baseline.
    pub fn bless(&self) -> Result<(), Failure> {
        let mut baseline = baseline()?;
        let rows = self
            .rows
            .iter()
            .map(|(name, numbers)| (name.clone(), json!(numbers.instructions)));
        let entry = baseline.entry(self.compiler.clone()).or_insert_with(|| json!({}));
        entry
            .as_object_mut()
            .ok_or("the baseline is no object")?
            .extend(rows);
        println!("blessed for {}", self.compiler);
        Ok(fs::write(
            baseline_file(),
            format!("{:#}\n", Value::Object(baseline)),
        )?)
    }

    /// Fails if a workload takes more instructions than the baseline allows, or is not in it.
    pub fn check(&self) -> Result<(), Failure> {
        let baseline = baseline()?;
        let Some(known) = baseline.get(&self.compiler) else {
            println!("no baseline for this compiler: {}", self.compiler);
            return Ok(());
        };
        let worse: Vec<String> = self
            .rows
            .iter()
            .filter_map(|row| regression(row, known))
            .collect();
        if !worse.is_empty() {
            return Err(worse.join("; ").into());
        }
        println!("{} workloads, none above the baseline", self.rows.len());
        Ok(())
    }
}

fn regression((name, numbers): &(String, Numbers), known: &Value) -> Option<String> {
    let now = numbers.instructions;
    match known[name].as_f64() {
        None => Some(format!("{name}: not in the baseline")),
        Some(before) if now > before * (1.0 + TOLERANCE) => {
            Some(format!("{name}: {now:.1}, was {before:.1}"))
        }
        Some(_) => None,
    }
}

fn baseline_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/baseline.json")
}

fn baseline() -> Result<Map<String, Value>, Failure> {
    let file = baseline_file();
    if !file.exists() {
        return Ok(Map::new());
    }
    Ok(serde_json::from_str(&fs::read_to_string(file)?)?)
}

/// The first line of `rustc -vV`, and what it compiles for.
fn compiler() -> Result<String, Failure> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output()?;
    let text = String::from_utf8(output.stdout)?;
    let version = text.lines().next().ok_or("rustc says no version")?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(format!("{version}, {}", host.ok_or("rustc names no host")?))
}
