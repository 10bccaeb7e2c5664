//! What leads to the firmware tables, damaged on purpose by `root_test=`: the complaint, what is used instead, and a
//! good end.

use libtest_mimic::{Failed, Trial};
use run_qemu::{Machine, Status};

use crate::lab::{TIME_LIMIT, UEFI_TIME_LIMIT, boot, check, check_ending, with_append};

/// What is damaged, what is said, and how many CPUs are found all the same.
const DAMAGES: [(&str, &[&str], u32); 6] = [
    (
        "checksum",
        &[
            "firmware: RSDP at 0x",
            ": bad checksum: bytes add up to 0x",
            NO_TABLES,
        ],
        1,
    ),
    (
        "signature",
        &[
            "firmware: RSDT at 0x",
            ": wrong signature 0x4f4f5053: ",
            NO_TABLES,
        ],
        1,
    ),
    (
        "length",
        &[
            "firmware: RSDT at 0x",
            ": no table is 4294967295 bytes long: ",
            NO_TABLES,
        ],
        1,
    ),
    (
        "entry",
        &["firmware: RSDT: entry 0, table at 0xfffffff0: 36 bytes at 0xfffffff0 are out of reach: not used"],
        4,
    ),
    (
        "table",
        &[
            "firmware: RSDT: entry ",
            ": no table is 4294967295 bytes long: not used",
        ],
        1,
    ),
    (
        "apic",
        &["firmware: MADT: local APIC at 0xfee01000, CPU: at 0xfee00000"],
        4,
    ),
];
const NO_TABLES: &str = "no firmware table is used";

/// Through UEFI there are both lists, and the one with 64-bit addresses is used.
const UEFI_DAMAGES: [(&str, &[&str], u32); 2] = [
    (
        "signature",
        &[
            "firmware: XSDT at 0x",
            ": wrong signature 0x4f4f5053: the RSDT is used instead",
        ],
        4,
    ),
    (
        "entry",
        &[
            "firmware: XSDT: entry 0, table at 0xfffffffffffffff0: 36 bytes at ",
            " are out of reach: not used",
        ],
        4,
    ),
];

pub fn trials() -> Vec<Trial> {
    let here = DAMAGES.iter().map(|damage| (damage, false));
    let uefi = UEFI_DAMAGES.iter().map(|damage| (damage, true));
    let trial = |(&(what, words, cpus), uefi): (&(&'static str, &'static [&str], u32), bool)| {
        let name = if uefi { "uefi_" } else { "" };
        Trial::test(format!("firmware::damaged_{name}{what}"), move || {
            survives(what, words, cpus, uefi)
        })
    };
    here.chain(uefi).map(trial).collect()
}

/// One line of the log has all the words, in this order.
fn survives(what: &str, words: &[&str], cpus: u32, uefi: bool) -> Result<(), Failed> {
    let machine = Machine {
        uefi,
        ..with_append(&format!("root_test={what}"))
    };
    let time_limit = if uefi { UEFI_TIME_LIMIT } else { TIME_LIMIT };
    let run = boot(&machine, &["counter"], time_limit)?;
    check_ending(Status::Ok, &run)?;
    let has_all = |line: &String| {
        let behind = |line: &str, word: &&str| Some(line.split_once(*word)?.1.to_string());
        words
            .iter()
            .try_fold(line.clone(), |rest, word| behind(&rest, word))
            .is_some()
    };
    check(run.lines.iter().any(has_all), format!("{words:?}"), &run)?;
    let line = format!("cpus: {cpus} of {cpus} online, {cpus} possible");
    check(run.find(&line).is_some(), format!("`{line}`"), &run)?;
    check(run.find("all checks done").is_some(), "`all checks done`", &run)
}
