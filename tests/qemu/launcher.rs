//! The launcher as a process: its exit status, its words about a panic, and what it leaves behind.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use run_qemu::{Status, Workspace};

use crate::lab::prepared;

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test(
            "launcher::exits_with_the_ending_and_says_where_a_panic_was",
            panic_is_symbolised,
        ),
        Trial::test("launcher::stores_what_the_kernel_built", facts_are_stored),
        Trial::test("launcher::takes_qemu_along_when_it_is_killed", killed),
    ]
}

/// `cargo run` becomes the launcher, so its process is the one that is killed.
pub fn launcher(arguments: &[&str]) -> Result<Command, Failed> {
    // Builds the bare-metal part, so that the process has nothing left to do but to boot.
    prepared()?;
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(Workspace::find()?.root)
        .args(["run", "--quiet", "--package", "run-qemu", "--"]);
    command.args(arguments).stdin(Stdio::null());
    Ok(command)
}

fn panic_is_symbolised() -> Result<(), Failed> {
    let output = launcher(&["--append", "panic_test"])?.output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let words = format!(
        "{said}\n--- its errors\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    if output.status.code() != Some(Status::Panic.code().into()) {
        return Err(format!(
            "status {} expected, not {}:\n{words}",
            Status::Panic.code(),
            output.status
        )
        .into());
    }
    let symbolised = said.split_once("run-qemu: panic in the kernel:");
    match symbolised.is_some_and(|(_, places)| places.contains(" at kernel/src/")) {
        true => Ok(()),
        false => Err(format!("a panic is said with functions and lines of kernel/src:\n{words}").into()),
    }
}

/// The document has what the serial line says, and people are not shown it.
fn facts_are_stored() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("facts.json");
    let path = file.display().to_string();
    let output = launcher(&["--append", "first_chunk_only", "--facts", &path])?.output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || said.contains("facts: ") {
        return Err(format!("success, and no lines for programs: {}\n{said}", output.status).into());
    }
    let facts: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
    let units = facts["cpus"].as_array().map(Vec::len);
    match (units, facts["builder"]["name"].as_str()) {
        (Some(4), Some("embed")) => Ok(()),
        _ => Err(format!("four units, embedded: {facts:#}").into()),
    }
}

fn killed() -> Result<(), Failed> {
    let mut command = launcher(&["--append", "hang_test"])?;
    let mut launcher = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    // A guest that speaks is under way: from here on QEMU has no reason of its own to end.
    let said = BufReader::new(launcher.stdout.take().ok_or("no standard output")?).lines();
    let guest = said
        .map_while(Result::ok)
        .find(|line| !line.starts_with("run-qemu:"));
    let qemu = qemu_of(&launcher);
    launcher.kill()?;
    launcher.wait()?;
    let qemu = guest
        .and(qemu)
        .ok_or("the launcher started no QEMU that could be left behind")?;
    match until_gone(&qemu) {
        true => Ok(()),
        false => Err(format!("process {qemu}, a QEMU, outlived the launcher that was killed").into()),
    }
}

/// Death takes a moment.
fn until_gone(process: &str) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_gone(process) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    is_gone(process)
}

/// The process number of the QEMU in which this launcher boots; it asks another one for its version first.
fn qemu_of(launcher: &Child) -> Option<String> {
    let parent = launcher.id().to_string();
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut numbers = processes.filter_map(|entry| entry.file_name().into_string().ok());
    numbers.find(|number| {
        let status = state(number);
        let boots = || {
            fs::read_to_string(format!("/proc/{number}/cmdline")).is_ok_and(|line| line.contains("-initrd"))
        };
        status.is_some_and(|state| state.name.starts_with("qemu-system") && state.parent == parent) && boots()
    })
}

/// Gone, or dead and waiting for somebody to ask.
fn is_gone(process: &str) -> bool {
    state(process).is_none_or(|state| state.code == "Z")
}

struct State {
    name: String,
    code: String,
    parent: String,
}

/// `/proc/N/stat`: number, name in parentheses, state, parent.
fn state(process: &str) -> Option<State> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (head, rest) = stat.rsplit_once(')')?;
    let mut rest = rest.split_whitespace().map(str::to_string);
    Some(State {
        name: head.split_once('(')?.1.to_string(),
        code: rest.next()?,
        parent: rest.next()?,
    })
}
