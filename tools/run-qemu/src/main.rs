//! `cargo run-qemu`: build everything, boot it, show it, and say by the exit status how it went.

mod cli;

use std::process::ExitCode;

use clap::Parser;
use cli::{Action, ImageOptions, Options};
use run_qemu::{
    Binaries, BootFiles, Destination, Machine, Ovmf, Prepared, Qemu, Result, Results, Status, Transcript,
    Workspace, asked, facts, flush, say,
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
    let machine = options.machine()?;
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
    let transcript = prepared.boot(&machine, &runs, options.watch())?;
    if let Some(file) = &options.json {
        Results::read(prepared.compiler(), &machine, &transcript).write(file)?;
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
