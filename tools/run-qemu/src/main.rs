//! `cargo run-qemu`: build everything, boot it, show it, and say by the exit status how it went.

mod cli;

use std::fs;
use std::process::ExitCode;

use clap::Parser;
use cli::{Action, ImageOptions, Options};
use run_qemu::witness::Report;
use run_qemu::{
    Binaries, BootFiles, Destination, Failure, Machine, Ovmf, Prepared, Qemu, Result, Results, Status,
    Transcript, Witness, Workspace, asked, facts, flush, say,
};

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options.action {
        Some(Action::Image(image)) => write_image(image),
        None => run(&options),
    };
    let status = match done {
        Ok(status) => status,
        Err(failure) => {
            flush();
            eprintln!("run-qemu: {failure}");
            failure.status
        }
    };
    ExitCode::from(status.code())
}

fn run(options: &Options) -> Result<Status> {
    let mut machine = options.machine()?;
    let workspace = Workspace::find()?;
    let runs = asked(&workspace, &options.load.programs)?;
    if options.dry_run {
        println!("{}", command_line(&workspace, &machine)?);
        return Ok(Status::Ok);
    }
    if let Some(file) = &options.facts {
        facts::check(file)?;
    }
    if machine.uefi {
        // Where it was named, and is not there, this is no time to build anything.
        Ovmf::present(&workspace.target())?;
    }
    let prepared = Prepared::with_kernels(workspace, options.load.core, &[machine.kernel()])?;
    if machine.gdb {
        let kernel = prepared.binary(machine.kernel());
        say(format!(
            "waiting for a debugger:\n    gdb {} -ex 'target remote :1234'",
            kernel.display()
        ));
    }
    let witness = witness(options, &prepared)?;
    if let Some(witness) = &witness {
        witness.watch(&mut machine);
    }
    let transcript = prepared.boot(&machine, &runs, options.watch())?;
    let results = Results::read(prepared.compiler(), &machine, &transcript);
    let told = tell(options, &prepared, results, witness);
    match told {
        // A machine that was ended leaves no report, and how the run ended says more.
        Err(failure) if transcript.status != Some(Status::Ok) => eprintln!("run-qemu: {failure}"),
        told => told?,
    }
    let status = report(&transcript, &prepared.symbolise(&machine, &transcript));
    match options
        .facts
        .as_ref()
        .map(|file| facts::store(&transcript.lines, file))
    {
        // How the run ended says more.
        Some(Err(failure)) if status != Status::Ok => {
            eprintln!("run-qemu: {failure}");
            Ok(status)
        }
        Some(stored) => stored.map(|()| status),
        None => Ok(status),
    }
}

/// The witness, if it is asked for. Numbers do not need one: they are worth having from a QEMU that loads no plugins.
fn witness(options: &Options, prepared: &Prepared) -> Result<Option<Witness>> {
    let (is_asked, is_useful) = (options.witness.is_some(), options.json.is_some());
    match (is_asked || is_useful, prepared.qemu().has_plugins()) {
        (false, _) => Ok(None),
        (true, true) => Witness::new(prepared).map(Some),
        (true, false) if is_asked => Err(Failure::missing("this QEMU was built without plugins")),
        (true, false) => {
            say("this QEMU was built without plugins: nobody watches from outside");
            Ok(None)
        }
    }
}

/// What was measured, and what was seen of it.
fn tell(
    options: &Options,
    prepared: &Prepared,
    mut results: Results,
    witness: Option<Witness>,
) -> Result<()> {
    if let Some(witness) = witness {
        let report = witness.report()?;
        if let Some(file) = &options.witness {
            fs::copy(witness.file(), file)
                .map_err(|error| Failure::usage(format!("--witness {}: {error}", file.display())))?;
        }
        let kernel = prepared.kernel_symbols();
        results.add(&report, kernel.as_ref())?;
        flush();
        print_seen(&results, &report, kernel.as_ref());
    }
    options.json.as_ref().map_or(Ok(()), |file| results.write(file))
}

fn print_seen(results: &Results, report: &Report, kernel: Option<&addr2line::Loader>) {
    println!("\nrun-qemu: seen from outside, in a round of each measurement:");
    for name in &results.order {
        if let Some(seen) = results
            .measurements
            .get(name)
            .and_then(|row| row.witness.as_ref())
        {
            println!("  {name} {seen}");
        }
    }
    let rows = report.rows.iter();
    if let Some(longest) = rows
        .map(|row| &row.longest)
        .max_by_key(|longest| longest.instructions)
    {
        let (instructions, place) = (longest.instructions, longest.explain(kernel));
        println!("run-qemu: longest time with interrupts off: {instructions} instructions ({place})");
    }
}

fn write_image(options: &ImageOptions) -> Result<Status> {
    let workspace = Workspace::find()?;
    let runs = asked(&workspace, &options.load.programs)?;
    let destination = Destination::new(&options.out)?;
    let prepared = Prepared::new(workspace, options.load.core)?;
    prepared.write_image("kernel", &options.load.append, &runs, destination.path())?;
    destination.finish()?;
    Ok(Status::Ok)
}

/// What a person would type, with a boot module of their own. The launcher itself adds a control channel, and
/// starts the CPUs over it.
fn command_line(workspace: &Workspace, machine: &Machine) -> Result<String> {
    let qemu = Qemu::present(&workspace.target().join("qemu/root"))?;
    let boot = match machine.uefi {
        true => BootFiles::Uefi {
            ovmf: Ovmf::present(&workspace.target())?.unwrap_or_else(Ovmf::installed),
            image: workspace.target().join("image"),
        },
        false => BootFiles::Direct {
            kernel: Binaries::of(workspace).path(machine.kernel()),
            module: workspace.target().join("module.tar"),
        },
    };
    let mut words = qemu.map_or_else(|| vec!["qemu-system-x86_64".to_string()], |qemu| qemu.typed());
    words.extend(machine.arguments(&boot)?);
    Ok(words
        .iter()
        .map(|word| quoted(word))
        .collect::<Vec<_>>()
        .join(" "))
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+,./:@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_string(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

fn report(transcript: &Transcript, places: &str) -> Status {
    flush();
    if let Some(registers) = &transcript.registers {
        let registers = registers
            .lines()
            .filter(|line| !is_floating_point(line))
            .collect::<Vec<_>>()
            .join("\n");
        println!("\nrun-qemu: registers when the time was over:\n{registers}");
    }
    if !places.is_empty() {
        println!("\nrun-qemu: {}", places.trim_end());
    }
    let status = transcript.status.unwrap_or(Status::QemuFailed);
    if status != Status::QemuFailed && !transcript.complaints.trim().is_empty() {
        eprintln!("run-qemu: QEMU said:\n{}", transcript.complaints.trim());
    }
    eprintln!(
        "run-qemu: {status}: {} (status {})",
        transcript.reason,
        status.code()
    );
    status
}

/// Two thirds of QEMU's dump, and of no interest in a kernel without floating point.
fn is_floating_point(line: &str) -> bool {
    ["FPR", "XMM", "YMM", "FCW", "Opmask", "ZMM"]
        .iter()
        .any(|register| line.starts_with(register))
}
