//! What userlib promises of per-CPU types: the instructions that they are made of, exact results while threads are
//! moved about, and their costs.

use libtest_mimic::{Failed, Trial};
use run_qemu::{Machine, Status};
use selion_tests::{GsUse, Place, gs_uses};

use crate::lab::{TIME_LIMIT, boot, check, check_ending, prepared};

/// Functions of `cells`, and what their one GS-relative instruction begins with.
const ONE_INSTRUCTION: [(&str, &str); 18] = [
    ("cells_static_get", "mov r"),
    ("cells_static_set", "mov gs:"),
    ("cells_static_add", "add gs:"),
    ("cells_static_add_const", "add qword ptr gs:"),
    ("cells_static_sub", "sub gs:"),
    ("cells_static_increment", "inc qword ptr gs:"),
    ("cells_static_and", "and gs:"),
    ("cells_static_or", "or gs:"),
    ("cells_static_xor", "xor gs:"),
    ("cells_static_fetch_add", "xadd gs:"),
    ("cells_static_compare_exchange", "cmpxchg gs:"),
    ("cells_static_flip", "xor gs:"),
    ("cells_static_pair", "cmpxchg16b"),
    ("cells_offset_add_const", "add qword ptr gs:"),
    ("cells_offset_xor", "xor gs:"),
    ("cells_offset_fetch_add", "xadd gs:"),
    ("cells_offset_compare_exchange", "cmpxchg gs:"),
    ("cells_offset_pair", "cmpxchg16b"),
];

pub fn trials() -> Vec<Trial> {
    let one = |(function, begins): (&'static str, &'static str)| {
        Trial::test(format!("userlib::{function}_is_one_instruction"), move || {
            one_instruction(function, begins)
        })
    };
    let examples = ["cells", "slots"]
        .map(|program| Trial::test(format!("userlib::example_{program}"), move || example(program)));
    let machines = [("4_on_2+2", Machine::default()), ("one_cpu", one_cpu())].map(|(shape, machine)| {
        Trial::test(format!("userlib::results_are_exact_on_{shape}"), move || {
            exact(&machine)
        })
    });
    let all = ONE_INSTRUCTION
        .into_iter()
        .map(one)
        .chain(examples)
        .chain(machines);
    all.collect()
}

fn one_cpu() -> Machine {
    Machine {
        nodes: vec![1],
        ..Machine::default()
    }
}

fn one_instruction(function: &str, begins: &str) -> Result<(), Failed> {
    let uses = gs_uses(&std::fs::read(prepared()?.binary("cells"))?)?;
    let uses: Vec<GsUse> = uses
        .into_iter()
        .filter(|found| found.function == function)
        .collect();
    let is_offset = function.starts_with("cells_offset");
    match &uses[..] {
        [only]
            if !only.is_locked
                && only.text.starts_with(begins)
                && (only.place == Place::Offset) == is_offset =>
        {
            Ok(())
        }
        other => Err(format!("{function} should be one unlocked `{begins}…`, but has {other:#x?}").into()),
    }
}

/// Every type under a crowd that is driven from CPU to CPU: all checks of `probe-userlib` hold, the last one too.
fn exact(machine: &Machine) -> Result<(), Failed> {
    let run = boot(machine, &["probe-userlib"], TIME_LIMIT)?;
    let failed: Vec<&String> = run
        .lines
        .iter()
        .filter(|line| line.contains("check ") && line.contains(" failed"))
        .collect();
    check(
        failed.is_empty(),
        format!("all checks hold, but: {failed:#?}"),
        &run,
    )?;
    check(
        run.find("check all-parts ok").is_some(),
        "the probe comes to its end",
        &run,
    )?;
    check_ending(Status::Ok, &run)
}

/// The examples check their own results, and end with a code other than 0 when one is wrong.
fn example(program: &str) -> Result<(), Failed> {
    let run = boot(&Machine::default(), &[program], TIME_LIMIT)?;
    check_ending(Status::Ok, &run)
}
