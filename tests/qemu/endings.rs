//! The bad endings, each provoked on purpose: a launcher that cannot tell them apart hides bugs.

use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use run_qemu::Status;

use crate::lab::{TIME_LIMIT, boot, check, check_ending, with_append};

/// Long enough to boot into the hang.
const HANG_LIMIT: Duration = Duration::from_secs(15);

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("endings::a_kernel_panic_is_told_with_its_reason", panic),
        Trial::test("endings::a_triple_fault_is_no_success", triple_fault),
        Trial::test("endings::a_hang_ends_at_the_time_limit_with_all_registers", hang),
    ]
}

fn panic() -> Result<(), Failed> {
    let transcript = boot(&with_append("panic_test"), &["counter"], TIME_LIMIT)?;
    check_ending(Status::Panic, &transcript)?;
    let addresses = transcript.find("panic: return addresses");
    let some = addresses.is_some_and(|line| line.contains("0xffffffff8"));
    check(some, "a panic prints return addresses in the kernel", &transcript)
}

fn triple_fault() -> Result<(), Failed> {
    let transcript = boot(&with_append("triple_fault_test"), &["counter"], TIME_LIMIT)?;
    check_ending(Status::TripleFault, &transcript)
}

fn hang() -> Result<(), Failed> {
    let transcript = boot(&with_append("hang_test"), &["counter"], HANG_LIMIT)?;
    check_ending(Status::TimeLimit, &transcript)?;
    let cpus = transcript
        .registers
        .as_deref()
        .map(|dump| dump.matches("CPU#").count());
    check(
        cpus == Some(4),
        "the registers of all 4 CPUs are shown",
        &transcript,
    )
}
