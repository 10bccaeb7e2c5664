//! What userlib promises of per-CPU types: the instructions that they are made of, and exact results while threads are
//! moved about. What they cost is in `bench.rs`.

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

/// One idea each; they check their own results.
const EXAMPLES: [&str; 5] = ["cells", "slots", "slab", "tally", "references"];

pub fn trials() -> Vec<Trial> {
    let one = |(function, begins): (&'static str, &'static str)| {
        Trial::test(format!("userlib::{function}_is_one_instruction"), move || {
            one_instruction(function, begins)
        })
    };
    let example = |program| Trial::test(format!("userlib::example_{program}"), move || example(program));
    let on_machine = |(shape, machine): (&str, Machine)| {
        Trial::test(format!("userlib::results_are_exact_on_{shape}"), move || {
            exact(&machine)
        })
    };
    let machines = [("4_on_2+2", Machine::default()), ("one_cpu", one_cpu())];
    let others = [Trial::test("userlib::empty_pages_go_back", empty_pages)];
    let each = ONE_INSTRUCTION.into_iter().map(one);
    let examples = EXAMPLES.into_iter().map(example);
    each.chain(examples)
        .chain(machines.into_iter().map(on_machine))
        .chain(others)
        .collect()
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

/// Nine of ten areas are freed in no order: what is left stays whole, and the pages without any go back to the server,
/// as its own counters and the quota say. They are populated again for new areas.
fn empty_pages() -> Result<(), Failed> {
    let run = boot(&Machine::default(), &["areas"], TIME_LIMIT)?;
    check_ending(Status::Ok, &run)?;
    check(run.find("seed ").is_some(), "the seed is printed", &run)?;
    for name in [
        "all",
        "one-of-ten",
        "all-again",
        "quota",
        "none-kept",
        "areas-are-clear",
        "areas-are-whole",
    ] {
        let line = format!("check {name} ok");
        check(run.find(&line).is_some(), format!("{name} holds"), &run)?;
    }
    let number = |of: &str| {
        let mut words = run.find(of)?.split_whitespace();
        words.find_map(|word| word.parse::<u64>().ok())
    };
    let went = number("empty pages: ");
    check(
        went.is_some_and(|pages| pages >= 300),
        format!("at least 300 pages go back, but {went:?}"),
        &run,
    )?;
    let kept = number("bench areas-kept-for-100-bytes ");
    check(
        kept.is_some_and(|kept| (100..700).contains(&kept)),
        format!("1 to 7 bytes are kept for each that is live, but {kept:?} for 100"),
        &run,
    )
}
