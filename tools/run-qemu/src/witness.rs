//! The outside witness (`tools/witness`): built for this host, loaded into QEMU, and what it reports.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use tempfile::TempDir;

use crate::boot::Prepared;
use crate::environment;
use crate::machine::Machine;
use crate::say::say;
use crate::status::{Failure, Result};
use crate::toolchain::Core;
use crate::workspace::Workspace;

const PACKAGE: &str = "witness";
const LIBRARY: &str = "target/release/libwitness.so";
/// The witness keeps addresses without their sign.
const SIGN: u64 = 0xffff << 48;

/// A witness for one run of one machine.
pub struct Witness {
    library: PathBuf,
    kernel: PathBuf,
    folder: TempDir,
}

/// How often something was executed, by the name of its kind.
pub type Vector = BTreeMap<String, u64>;

/// All that a witness says. [`Report::rows`] has what belongs to no row first.
#[derive(Debug, Clone, Deserialize)]
pub struct Report {
    /// One for each mark of a row.
    pub rows: Vec<Row>,
}

/// What was seen in a row.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    /// The CPUs that had windows.
    pub cpus: Vec<Windows>,
    /// Lines of memory in the windows that were traced.
    pub lines: Option<Lines>,
    /// The longest time that a CPU kept interrupts off.
    pub longest: Stretch,
}

/// One CPU's windows in a row.
#[derive(Debug, Clone, Deserialize)]
pub struct Windows {
    /// Which.
    pub cpu: u32,
    /// How many.
    pub windows: u64,
    /// How many an interrupt or fault came into: they are counted nowhere else.
    pub disturbed: u64,
    /// How many counted just what the median did.
    pub same: u64,
    /// Fewest instructions.
    pub least: u64,
    /// Most.
    pub most: u64,
    /// Those of the median window.
    pub median: Vector,
    /// What other CPUs did meanwhile.
    pub others: Option<Vector>,
}

/// Lines of memory that windows used.
#[derive(Debug, Clone, Deserialize)]
pub struct Lines {
    /// How many are written.
    pub written: u64,
    /// How many are read.
    pub read: u64,
    /// How many are written by more than one CPU.
    pub written_by_two: u64,
    /// How many are written by one and read by another.
    pub written_and_read: u64,
    /// Some of these.
    pub shared: Vec<Shared>,
}

/// A line that CPUs share: who uses it, each with an instruction that does.
#[derive(Debug, Clone, Deserialize)]
pub struct Shared {
    /// Its physical address.
    pub line: u64,
    /// Who writes it.
    pub writers: Vec<(u32, u64)>,
    /// Who reads it.
    pub readers: Vec<(u32, u64)>,
}

/// A time with interrupts off.
#[derive(Debug, Clone, Deserialize)]
pub struct Stretch {
    /// Who.
    pub cpu: u32,
    /// How long.
    pub instructions: u64,
    /// Addresses of the first instructions.
    pub first: Vec<u64>,
    /// Addresses of instructions in it, evenly spaced.
    pub samples: Vec<u64>,
}

impl Witness {
    /// Builds it for a run.
    pub fn new(prepared: &Prepared) -> Result<Witness> {
        let folder = tempfile::Builder::new().prefix("witness").tempdir();
        let folder = folder.map_err(|error| Failure::build(format!("no folder for the witness: {error}")))?;
        Ok(Witness {
            library: build(prepared.workspace())?,
            kernel: prepared.binary("kernel"),
            folder,
        })
    }

    /// Lets it watch a machine; one witness watches one machine.
    pub fn watch(&self, machine: &mut Machine) {
        let report = self.file();
        let [library, report, kernel] = [&self.library, &report, &self.kernel].map(|path| escaped(path));
        machine.extra.extend([
            "-plugin".into(),
            format!("{library},report={report},kernel={kernel}"),
        ]);
    }

    /// What it says once the machine has ended.
    pub fn report(&self) -> Result<Report> {
        let file = self.file();
        let wrong =
            |error: &dyn std::fmt::Display| Failure::qemu(format!("the witness left no report: {error}"));
        let text = fs::read_to_string(&file).map_err(|error| wrong(&error))?;
        serde_json::from_str(&text).map_err(|error| wrong(&error))
    }

    /// Where the report is, as long as this value lives.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("report.json")
    }
}

/// QEMU's options end at a comma, unless it stands there twice.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// By the user's own toolchain: it is a library of this host. Once is enough.
fn build(workspace: &Workspace) -> Result<PathBuf> {
    static BUILT: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(library) = &*built {
        return Ok(library.clone());
    }
    let library = build_now(workspace)?;
    *built = Some(library.clone());
    Ok(library)
}

fn build_now(workspace: &Workspace) -> Result<PathBuf> {
    say("building the witness for this host");
    let mut command = Command::new("cargo");
    environment::clean(&mut command, Core::Rustup);
    command.current_dir(&workspace.root).stdin(Stdio::null());
    command.args([
        "build",
        "--quiet",
        "--release",
        "--package",
        PACKAGE,
        "--target-dir",
        "target",
    ]);
    match command.status() {
        Ok(status) if status.success() => Ok(workspace.root.join(LIBRARY)),
        Ok(_) => Err(Failure::build(
            "the witness cannot be built, the compiler's words are above",
        )),
        Err(error) => Err(Failure::missing(format!("cannot run cargo: {error}"))),
    }
}

impl Row {
    /// The windows of the CPU that has most of them.
    #[must_use]
    pub fn main(&self) -> Option<&Windows> {
        self.cpus.iter().max_by_key(|cpu| cpu.windows)
    }
}

impl Stretch {
    /// Where it began and where most of it was spent: the kernel's functions by their share of the samples.
    #[must_use]
    pub fn explain(&self, kernel: Option<&addr2line::Loader>) -> String {
        let Some(kernel) = kernel else {
            return String::new();
        };
        let names = |address: u64| functions(kernel, address | SIGN);
        let mut handlers = self.first.iter().flat_map(|address| names(*address));
        let handler = handlers.find(|name| is_handler(name));
        let mut shares: BTreeMap<String, usize> = BTreeMap::new();
        for address in &self.samples {
            if let Some(name) = names(*address).into_iter().next_back() {
                *shares.entry(name).or_default() += 1;
            }
        }
        let most = shares.into_iter().max_by_key(|(_, count)| *count);
        let most =
            most.map(|(name, count)| format!("{}% in {name}", count * 100 / self.samples.len().max(1)));
        [handler, most]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// The functions at an address, inlined ones first.
fn functions(kernel: &addr2line::Loader, address: u64) -> Vec<String> {
    let mut names = Vec::new();
    if let Ok(mut found) = kernel.find_frames(address) {
        while let Ok(Some(frame)) = found.next() {
            let name = frame.function.as_ref().and_then(|name| name.demangle().ok());
            names.extend(name.map(|name| name.into_owned()));
        }
    }
    names
}

/// `kernel::syscall::OBJECT::CALL`: the functions that stand for calls.
fn is_handler(name: &str) -> bool {
    let calls = ["kernel::syscall::", "kernel::fault::", "kernel::schedule::on_"];
    calls.iter().any(|prefix| name.starts_with(prefix))
        && ![
            "kernel::syscall::handle",
            "kernel::syscall::act",
            "kernel::syscall::answer",
        ]
        .contains(&name)
        && !name.contains('{')
}
