//! What stops a boot because the first chunk is none: each condition spoiled on purpose, in Linux's words.

use libtest_mimic::{Failed, Trial};
use run_qemu::{Machine, Status};

use crate::lab::{TIME_LIMIT, boot, check, check_ending, with_append};

/// What `setup_test=` spoils, and what is said then.
const ON_FOUR_CPUS: [(&str, &str); 14] = [
    ("groups", "ai->nr_groups <= 0"),
    ("static", "!ai->static_size"),
    ("template", "offset_in_page(__per_cpu_start)"),
    ("null", "!base_addr"),
    ("base", "offset_in_page(base_addr)"),
    ("unit", "ai->unit_size < size_sum"),
    ("border", "offset_in_page(ai->unit_size)"),
    ("small", "ai->unit_size < PCPU_MIN_UNIT_SIZE"),
    ("dynamic", "ai->dyn_size < PERCPU_DYNAMIC_EARLY_SIZE"),
    ("reserved", "!IS_ALIGNED(ai->reserved_size, PCPU_MIN_ALLOC_SIZE)"),
    ("outside", "cpu > nr_cpu_ids"),
    ("impossible", "!cpu_possible(cpu)"),
    ("twice", "unit_map[cpu] != UINT_MAX"),
    ("missing", "unit_map[cpu] == UINT_MAX"),
];
/// The layout that comes with it: both groups with their CPUs.
const LAYOUT: &str = "pcpu-alloc: [0] 0 1 [1] 2 3 ";

pub fn trials() -> Vec<Trial> {
    let on_four = ON_FOUR_CPUS.map(|(what, condition)| {
        let machine = with_append(&format!("setup_test={what}"));
        Trial::test(format!("setup_checks::{what}"), move || {
            stops(&machine, condition, LAYOUT)
        })
    });
    let up = with_append("percpu_alloc=up setup_test=backend");
    let backend = Trial::test("setup_checks::backend", move || {
        stops(&up, "pcpu_verify_alloc_info(ai) < 0", "pcpu-alloc: [0] 0 ")
    });
    let group = Trial::test("setup_checks::a_group_without_a_cpu", || {
        let words = "percpu: failed to initialize, cpu == NR_CPUS in group 0";
        ends_with(
            &with_append("setup_test=filler-group"),
            &[words, LAYOUT.trim_end()],
        )
    });
    let write = Trial::test("setup_checks::a_write_between_copy_and_gs_base", || {
        let words = "would be lost: after the template was copied, before a GS base was installed";
        ends_with(&with_append("setup_test=lost-write"), &[words])
    });
    on_four.into_iter().chain([backend, group, write]).collect()
}

fn stops(machine: &Machine, condition: &str, layout: &str) -> Result<(), Failed> {
    let words = format!("percpu: failed to initialize, {condition}");
    ends_with(
        machine,
        &[&words, "percpu: cpu_possible_mask=0-", layout.trim_end()],
    )
}

/// Ends by a panic, and these words are said.
fn ends_with(machine: &Machine, said: &[&str]) -> Result<(), Failed> {
    let transcript = boot(machine, &["counter"], TIME_LIMIT)?;
    check_ending(Status::Panic, &transcript)?;
    said.iter().try_for_each(|words| {
        check(
            transcript.find(words).is_some(),
            format!("`{words}`"),
            &transcript,
        )
    })
}
