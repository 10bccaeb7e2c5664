//! The UEFI door: firmware, loader and disk instead of QEMU's own loading, and the same system behind it.
//!
//! What the kernel built there is checked with all other machines, in `first_chunk` and `protection`.

use libtest_mimic::{Failed, Trial};
use run_qemu::{Machine, Status, Watch};

use crate::counter;
use crate::lab::{UEFI_TIME_LIMIT, boot, check, check_ending, prepared};
use crate::launcher::launcher;
use crate::machines::case;
use crate::witness::Witness;

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("uefi::four_cpus_on_two_nodes_count_exactly", counts),
        Trial::test("uefi::builds_what_the_other_door_builds", same_facts),
        Trial::test("uefi::leaves_nothing_of_firmwares_settings_on", same_registers),
        Trial::test("uefi::a_written_image_boots_with_its_command_line", image_boots),
    ]
}

fn machine() -> Machine {
    Machine {
        uefi: true,
        ..Machine::default()
    }
}

fn counts() -> Result<(), Failed> {
    let run = boot(&machine(), &["counter"], UEFI_TIME_LIMIT)?;
    counter::exact_sums(&run)?;
    let online = |cpu: u32| {
        run.lines
            .iter()
            .any(|line| line.trim() == format!("cpu {cpu} online"))
    };
    check((0..4).all(online), "all four CPUs are online", &run)?;
    check(run.find("BdsDxe: starting").is_some(), "firmware booted it", &run)
}

fn same_facts() -> Result<(), Failed> {
    let (uefi, direct) = (case("uefi").witness()?, case("4_on_2+2").witness()?);
    let shape = |seen: &selion_tests::FirstChunk| {
        let groups: Vec<_> = seen.groups.iter().map(|group| group.units.clone()).collect();
        let cpus: Vec<_> = seen
            .cpus
            .iter()
            .map(|cpu| (cpu.cpu, cpu.apic, cpu.node))
            .collect();
        (format!("{:?}", seen.sizes), groups, cpus)
    };
    let (got, wanted) = (shape(&uefi.chunk), shape(&direct.chunk));
    check(
        got == wanted,
        format!("{wanted:?}, not {got:?}"),
        &uefi.transcript,
    )
}

fn same_registers() -> Result<(), Failed> {
    let (uefi, direct) = (case("uefi").witness()?, case("4_on_2+2").witness()?);
    let control = |seen: &Witness| -> Vec<_> {
        let cpus = seen.registers.iter();
        cpus.map(|cpu| [cpu.cr0, cpu.cr4, cpu.efer]).collect()
    };
    let (got, wanted) = (control(uefi), control(direct));
    let promise = format!("CR0, CR4 and EFER are {wanted:x?}, as through the other door, not {got:x?}");
    check(got == wanted && got.len() == 4, promise, &uefi.transcript)
}

fn image_boots() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let image = folder.path().join("selion.img");
    let out = image.to_str().ok_or("a folder with a plain name")?;
    let options = [
        "image",
        "--out",
        out,
        "--append",
        "percpu_reserve=64K",
        "counter:adds=1000",
    ];
    let output = launcher(&options)?.output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || !said.contains(&format!("dd if={out}")) {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "{}: a written image says how to use it:\n{said}\n{words}",
            output.status
        )
        .into());
    }
    let watch = Watch {
        echo: false,
        time_limit: Some(UEFI_TIME_LIMIT),
    };
    let run = prepared()?
        .start_image(&machine(), &image, watch)?
        .session
        .finish();
    check_ending(Status::Ok, &run)?;
    let report = run
        .find("percpu: Embedded")
        .is_some_and(|line| line.contains(" r65536 "));
    check(report, "the kernel got the command line that was written", &run)?;
    check(
        run.find("sum static 12000 of 12000").is_some(),
        "the program got its argument",
        &run,
    )
}
