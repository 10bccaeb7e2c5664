//! The kernel that checks itself finds locks that are taken out of order, and finds none while programs do their worst.

use libtest_mimic::{Failed, Trial};
use run_qemu::{Machine, Status};

use crate::lab::{TIME_LIMIT, boot, check, check_ending};

/// What lock_test= does, and what the checker says.
const MISUSES: [(&str, &str); 3] = [
    ("order", "capability table at "),
    ("twice", "run queue at "),
    ("kept", "capability table is held "),
];

/// Programs, and how many CPUs they have.
const WORST: [(&str, u32); 9] = [
    ("stress", 8),
    ("probe-service", 4),
    ("probe-deaths", 4),
    ("probe-restart", 4),
    ("probe-ipc", 4),
    ("probe-refusals", 4),
    ("probe-capabilities", 4),
    ("probe-regions", 4),
    ("probe-chain", 2),
];

pub fn trials() -> Vec<Trial> {
    let misuse = |(word, said): (&'static str, &'static str)| {
        let name = format!("locks::{word}_is_told");
        Trial::test(name, move || is_told(word, said))
    };
    let worst = |(program, cpus): (&'static str, u32)| {
        let name = format!("locks::{program}_keeps_the_order");
        Trial::test(name, move || keeps_the_order(program, cpus))
    };
    let right = Trial::test("locks::the_right_order_is_silent", || {
        let run = boot(&checked(2, "lock_test=right"), &["counter"], TIME_LIMIT)?;
        check_ending(Status::Ok, &run)
    });
    let each = MISUSES.map(misuse).into_iter().chain(WORST.map(worst));
    each.chain([right]).collect()
}

fn checked(cpus: u32, append: &str) -> Machine {
    Machine {
        nodes: vec![cpus],
        append: append.into(),
        checked: true,
        ..Machine::default()
    }
}

fn is_told(word: &str, said: &str) -> Result<(), Failed> {
    let machine = checked(2, &format!("lock_test={word}"));
    let run = boot(&machine, &["counter"], TIME_LIMIT)?;
    check_ending(Status::Panic, &run)?;
    let said = format!("lock order: {said}");
    check(run.find(&said).is_some(), format!("`{said}` is said"), &run)?;
    check(run.find("self_test.rs").is_some(), "with the place", &run)
}

fn keeps_the_order(program: &str, cpus: u32) -> Result<(), Failed> {
    let run = boot(&checked(cpus, ""), &[program], TIME_LIMIT)?;
    let checks = run.find("locks: their order is checked");
    check(checks.is_some(), "the kernel says that it checks", &run)?;
    check_ending(Status::Ok, &run)
}
