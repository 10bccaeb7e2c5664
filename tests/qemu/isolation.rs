//! Out of reach: each forbidden thing ends the program that does it, with the right report, while the counter
//! beside it still finds every count.

use std::sync::OnceLock;

use abi::window::{DEFAULT_STRIDE, WINDOW_BASE};
use libtest_mimic::{Failed, Trial};
use run_qemu::{Machine, Status, Transcript};

use crate::lab::{TIME_LIMIT, boot, check, check_ending};

/// Where the kernel's image begins.
const KERNEL: u64 = 0xffff_ffff_8020_0000;
/// The second page of a unit, where other programs have their static part.
const OTHERS_STATICS: u64 = 0x1000;

/// What a program does, and what has to end it.
const FORBIDDEN: [(&str, Cause); 19] = [
    ("kernel-read", Cause::PageFault("reading", KERNEL)),
    ("kernel-write", Cause::PageFault("writing", KERNEL)),
    ("kernel-execute", Cause::PageFault("executing", KERNEL)),
    ("other-window", Cause::PageFaultInUnit("reading", OTHERS_STATICS)),
    (
        "other-window-write",
        // It increments, and QEMU reads before it writes.
        Cause::PageFaultInUnit("reading", OTHERS_STATICS),
    ),
    ("header-write", Cause::PageFault("writing", WINDOW_BASE)),
    ("unmapped", Cause::PageFault("reading", 0x10)),
    ("write-text", Cause::SomePageFault("writing")),
    ("execute-stack", Cause::SomePageFault("executing")),
    ("stack-overflow", Cause::SomePageFault("writing")),
    ("non-canonical", Cause::Named("general protection fault")),
    ("privileged=0", Cause::Named("general protection fault")),
    ("privileged=1", Cause::Named("general protection fault")),
    ("privileged=3", Cause::Named("general protection fault")),
    ("privileged=4", Cause::Named("general protection fault")),
    ("undefined", Cause::Named("invalid opcode")),
    // The kernel looks whether it runs without SMAP, while the flag is set and at the fault.
    ("alignment-flag", Cause::Named("invalid opcode")),
    ("single-step", Cause::Named("debug exception")),
    ("x87", Cause::Named("x87 floating-point error")),
];

/// How a fault is reported: what the program was doing, and where.
#[derive(Clone, Copy)]
enum Cause {
    /// At this address.
    PageFault(&'static str, u64),
    /// At this offset of some CPU's unit.
    PageFaultInUnit(&'static str, u64),
    /// At an address that only the program knows.
    SomePageFault(&'static str),
    /// By another exception.
    Named(&'static str),
}

pub fn trials() -> Vec<Trial> {
    let each = FORBIDDEN.into_iter().enumerate().map(|(index, (kind, cause))| {
        Trial::test(format!("isolation::{kind}_is_deadly"), move || {
            deadly(index, kind, cause)
        })
    });
    let beside = Trial::test("isolation::the_counter_beside_it_counts_on", counts_on);
    let survived = Trial::test("isolation::nobody_survives", nobody_survives);
    each.chain([beside, survived]).collect()
}

/// All of them in one boot, and the counter among them.
fn run() -> Result<&'static Transcript, Failed> {
    static RUN: OnceLock<Result<Transcript, String>> = OnceLock::new();
    let run = RUN.get_or_init(|| {
        let probes = FORBIDDEN.map(|(kind, _)| format!("probe-fault:{kind}"));
        let programs: Vec<&str> = ["counter"]
            .into_iter()
            .chain(probes.iter().map(String::as_str))
            .collect();
        let transcript = boot(&Machine::default(), &programs, TIME_LIMIT);
        transcript.map_err(|failed| failed.message().unwrap_or_default().to_string())
    });
    run.as_ref().map_err(Failed::from)
}

fn deadly(index: usize, kind: &str, cause: Cause) -> Result<(), Failed> {
    let run = run()?;
    let mut verdicts = run
        .lines
        .iter()
        .filter_map(|line| line.trim().strip_prefix("program probe-fault: "));
    let verdict = verdicts
        .nth(index)
        .ok_or_else(|| format!("no verdict on {kind}\n{run}"))?;
    let fault = verdict
        .strip_prefix("ended by ")
        .and_then(|rest| rest.strip_suffix(" as expected"));
    let address = fault.and_then(|fault| fault.strip_prefix("page fault at 0x"));
    let address = address.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let (is_it, doing) = match cause {
        Cause::PageFault(doing, at) => (address == Some(at), doing),
        Cause::PageFaultInUnit(doing, offset) => (address.is_some_and(|at| is_in_unit(at, offset)), doing),
        Cause::SomePageFault(doing) => (address.is_some(), doing),
        Cause::Named(name) => (fault == Some(name), ""),
    };
    check(
        is_it,
        format!("probe-fault:{kind} ends as it should, not: {verdict}"),
        run,
    )?;
    // The verdict is init's; the kernel's own report must say the same, and what the program was doing.
    let report = address.map(|at| format!("page fault {doing} {at:#x} at "));
    let reported = report.as_deref().is_none_or(|report| run.find(report).is_some());
    check(
        reported,
        format!(
            "probe-fault:{kind} is reported as `{}`",
            report.unwrap_or_default()
        ),
        run,
    )
}

fn is_in_unit(address: u64, offset: u64) -> bool {
    let cpus = 0..u64::from(Machine::default().cpus());
    cpus.map(|cpu| WINDOW_BASE + cpu * DEFAULT_STRIDE + offset)
        .any(|at| at == address)
}

fn counts_on() -> Result<(), Failed> {
    let run = run()?;
    for cell in ["static", "reserved", "dynamic"] {
        let line = run.find(&format!("sum {cell} ")).unwrap_or_default();
        let sums: Vec<&str> = line
            .split_whitespace()
            .filter(|word| word.parse::<u64>().is_ok())
            .collect();
        let exact = matches!(sums[..], [got, expected] if got == expected);
        check(exact, format!("an exact sum of {cell}, not: {line}"), run)?;
    }
    Ok(())
}

fn nobody_survives() -> Result<(), Failed> {
    let run = run()?;
    check_ending(Status::Ok, run)?;
    check(
        run.find("survived").is_none(),
        "no program survives a forbidden thing",
        run,
    )
}
