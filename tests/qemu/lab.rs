//! The one build, the shared boots, and failures that show the whole transcript.

use std::fmt::Display;
use std::sync::OnceLock;
use std::time::Duration;

use libtest_mimic::Failed;
use run_qemu::witness::Report;
use run_qemu::{
    Booted, KERNELS, Machine, Prepared, Status, Transcript, Watch, Witness, Workspace, facts, say,
};

/// Generous, because several machines may share two slow cores.
pub const TIME_LIMIT: Duration = Duration::from_secs(180);

/// For what takes a minute or more alone, by the million.
pub const LONG_TIME_LIMIT: Duration = Duration::from_secs(900);

/// For machines whose firmware takes a while before it starts anything.
pub const UEFI_TIME_LIMIT: Duration = Duration::from_secs(420);

/// The tools and binaries, made by whoever asks first.
pub fn prepared() -> Result<&'static Prepared, Failed> {
    static PREPARED: OnceLock<Result<Prepared, String>> = OnceLock::new();
    let prepared = PREPARED.get_or_init(|| {
        say("building the bare-metal part, once for all tests");
        let prepared =
            Workspace::find().and_then(|workspace| Prepared::with_kernels(workspace, None, &KERNELS));
        prepared.map_err(|failure| failure.to_string())
    });
    prepared.as_ref().map_err(Failed::from)
}

/// Start a machine and hand it over running.
pub fn start(machine: &Machine, programs: &[&str], time_limit: Duration) -> Result<Booted, Failed> {
    let prepared = prepared()?;
    // Readers of the first chunk want facts of every machine.
    let machine = Machine {
        append: format!("{} {}", machine.append, facts::WORD),
        ..machine.clone()
    };
    let watch = Watch {
        echo: false,
        time_limit: Some(time_limit),
    };
    Ok(prepared.start(&machine, &prepared.runs(programs)?, watch)?)
}

/// Boot a machine and watch it to its end.
pub fn boot(machine: &Machine, programs: &[&str], time_limit: Duration) -> Result<Transcript, Failed> {
    Ok(start(machine, programs, time_limit)?.session.finish())
}

/// The same, with the witness.
pub fn watched(
    machine: &Machine,
    programs: &[&str],
    time_limit: Duration,
) -> Result<(Transcript, Report), Failed> {
    let witness = Witness::new(prepared()?)?;
    let mut machine = machine.clone();
    witness.watch(&mut machine);
    let transcript = boot(&machine, programs, time_limit)?;
    let report = witness
        .report()
        .map_err(|failure| format!("{failure}\n{transcript}"))?;
    Ok((transcript, report))
}

/// The kernel's command line on the default machine.
pub fn with_append(append: &str) -> Machine {
    Machine {
        append: append.into(),
        ..Machine::default()
    }
}

/// Check a promise about a run; what failed comes with all that the machine said.
pub fn check(holds: bool, promise: impl Display, transcript: &Transcript) -> Result<(), Failed> {
    match holds {
        true => Ok(()),
        false => Err(format!("{promise}\n{transcript}").into()),
    }
}

/// Check how a run ended.
pub fn check_ending(expected: Status, transcript: &Transcript) -> Result<(), Failed> {
    let promise = format!("expected: {expected} (status {})", expected.code());
    check(transcript.status == Some(expected), promise, transcript)
}
