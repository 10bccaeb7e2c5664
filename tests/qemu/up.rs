//! One CPU: its static variables stay where they are linked, and there is no reserved part.

use libtest_mimic::{Failed, Trial};
use run_qemu::{Machine, Status, Transcript};

use crate::lab::{TIME_LIMIT, boot, check, check_ending, with_append};

type Test = fn() -> Result<(), Failed>;

pub fn trials() -> Vec<Trial> {
    let tests: [(&str, Test); 5] = [
        ("one_possible_cpu_has_no_copy_of_the_template", one_cpu),
        ("a_unit_is_a_power_of_two", power_of_two),
        ("asked_for_leaves_the_other_cpus_out", asked_for),
        ("is_not_taken_when_another_builder_is_named", named),
        ("without_memory_ends_the_boot", no_memory),
    ];
    tests
        .map(|(name, test)| Trial::test(format!("up::{name}"), test))
        .into()
}

fn one(append: &str) -> Machine {
    Machine {
        nodes: vec![1],
        ..with_append(append)
    }
}

fn one_cpu() -> Result<(), Failed> {
    // 28 KiB are asked for if nothing is said, and the smallest unit has 32.
    is_up(&works(&one(""))?, 32 << 10)
}

fn power_of_two() -> Result<(), Failed> {
    is_up(&works(&one("percpu_dynamic=100K"))?, 128 << 10)
}

fn asked_for() -> Result<(), Failed> {
    let transcript = works(&with_append("percpu_alloc=up"))?;
    is_up(&transcript, 32 << 10)?;
    let line = "cpus: 1 of 1 online, 1 possible";
    check(transcript.find(line).is_some(), format!("`{line}`"), &transcript)
}

fn named() -> Result<(), Failed> {
    for (builder, words) in [("embed", "percpu: Embedded "), ("page", " 4K pages/cpu ")] {
        let transcript = works(&one(&format!("percpu_alloc={builder}")))?;
        check(
            transcript.find(words).is_some(),
            format!("`{words}`"),
            &transcript,
        )?;
    }
    Ok(())
}

fn no_memory() -> Result<(), Failed> {
    let machine = Machine {
        memory: 64 << 20,
        ..one("percpu_dynamic=64M")
    };
    let transcript = boot(&machine, &["counter"], TIME_LIMIT)?;
    check_ending(Status::Panic, &transcript)?;
    let words = "Failed to allocate memory for percpu areas.";
    check(
        transcript.find(words).is_some(),
        format!("`{words}`"),
        &transcript,
    )
}

fn is_up(transcript: &Transcript, unit: u64) -> Result<(), Failed> {
    let line = format!("percpu: UP, the template is the copy, s0 r0 d{unit} u{unit}");
    check(transcript.find(&line).is_some(), format!("`{line}`"), transcript)?;
    let unit = transcript.find("percpu: cpu 0 apic ");
    let is_zero = unit.is_some_and(|line| line.trim().ends_with(" gs_base 0x0"));
    check(is_zero, "the boot CPU's GS base is 0", transcript)
}

/// The counter's run: statics, reserved and dynamic cells with exact sums.
fn works(machine: &Machine) -> Result<Transcript, Failed> {
    let transcript = boot(machine, &["counter"], TIME_LIMIT)?;
    check_ending(Status::Ok, &transcript)?;
    Ok(transcript)
}
