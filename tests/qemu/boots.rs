//! Machines of every shape come up, run their program and say so.

use libtest_mimic::{Failed, Trial};
use run_qemu::{Machine, Status};

use crate::lab::{TIME_LIMIT, boot, check, check_ending};
use crate::machines::case;

pub fn trials() -> Vec<Trial> {
    let shaped = |nodes: &[u32]| Machine {
        nodes: nodes.to_vec(),
        ..Machine::default()
    };
    let machines = [
        ("boots::the_default_machine", shaped(&[2, 2])),
        ("boots::eight_cpus_on_unequal_nodes", shaped(&[3, 5])),
        ("boots::one_cpu", shaped(&[1])),
        (
            "boots::a_cpu_without_fsgsbase_smep_and_smap",
            Machine {
                cpu: "qemu64".into(),
                ..shaped(&[2, 2])
            },
        ),
        (
            "boots::four_cpus_in_one_host_thread",
            Machine {
                icount: true,
                ..shaped(&[2, 2])
            },
        ),
    ];
    let machines = machines
        .into_iter()
        .map(|(name, machine)| Trial::test(name, move || comes_up(&machine)));
    machines
        .chain([
            Trial::test("boots::255_cpus_count_to_exact_sums", all_count),
            Trial::test(
                "boots::one_cpu_has_no_reserved_part_and_reserves_all_the_same",
                no_reserved_part,
            ),
        ])
        .collect()
}

/// A row for each CPU, on which at least its own thread counted, and three sums in which nothing is lost.
fn all_count() -> Result<(), Failed> {
    let case = case("255");
    let (seen, cpus) = (case.witness()?, u64::from(case.machine.cpus()));
    let run = &seen.transcript;
    let rows = run
        .lines
        .iter()
        .skip_while(|line| !line.starts_with("cpu node unit_base"));
    let rows: Vec<Vec<&str>> = rows
        .skip(1)
        .take(cpus as usize)
        .map(|row| row.split(' ').collect())
        .collect();
    for (cpu, row) in rows.iter().enumerate() {
        let [number, _, _, counts @ ..] = &row[..] else {
            return check(false, format!("a row for CPU {cpu}, not {row:?}"), run);
        };
        let counted = counts.len() == 3
            && counts
                .iter()
                .all(|count| count.parse().is_ok_and(|count: u64| count > 0));
        let promise = format!("CPU {cpu} counted in each kind of cell: {row:?}");
        check(*number == cpu.to_string() && counted, promise, run)?;
    }
    // One thread on each CPU, and two for each that go where they like.
    let sum = 3 * cpus * 1000;
    for kind in ["static", "reserved", "dynamic"] {
        let line = format!("sum {kind} {sum} of {sum}");
        check(run.find(&line).is_some(), format!("`{line}`"), run)?;
    }
    check(
        run.find("program counter: ok").is_some(),
        "the program ends well",
        run,
    )
}

fn no_reserved_part() -> Result<(), Failed> {
    let run = &case("one").witness()?.transcript;
    for line in [
        "no reserved part: reservations are ordinary regions",
        "program counter: ok",
    ] {
        check(run.find(line).is_some(), format!("`{line}`"), run)?;
    }
    Ok(())
}

fn comes_up(machine: &Machine) -> Result<(), Failed> {
    let transcript = boot(machine, &["counter"], TIME_LIMIT)?;
    check_ending(Status::Ok, &transcript)?;
    for cpu in 0..machine.cpus() {
        let line = format!("cpu {cpu} online");
        let times = transcript.lines.iter().filter(|said| said.trim() == line).count();
        check(
            times == 1,
            format!("`{line}` is said once, not {times} times"),
            &transcript,
        )?;
    }
    Ok(())
}
