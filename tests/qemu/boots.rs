//! Machines of every shape come up, run their program and say so.

use libtest_mimic::{Failed, Trial};
use run_qemu::{Machine, Status};

use crate::lab::{TIME_LIMIT, boot, check, check_ending};

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
    machines
        .into_iter()
        .map(|(name, machine)| Trial::test(name, move || comes_up(&machine)))
        .collect()
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
