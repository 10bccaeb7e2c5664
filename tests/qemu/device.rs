//! Drivers in user space: interrupts arrive, and a device is one driver's.

use libtest_mimic::{Failed, Trial};
use run_qemu::{Device, Machine, Status, Watch};

use crate::lab::{TIME_LIMIT, check, check_ending, prepared, start};
use crate::probes::holds;

const PROBE: &str = "probe-device";
const TIMER: Device = Device {
    interrupt: 0,
    first_port: 0x40,
    ports: 4,
};

pub fn trials() -> Vec<Trial> {
    let line = Trial::test(
        "device::the_line_goes_to_the_cpu_where_it_was_bound",
        goes_to_its_cpu,
    );
    arrivals().into_iter().chain([line]).chain(refusals()).collect()
}

fn arrivals() -> [Trial; 4] {
    let default = Machine::default();
    let one_cpu = Machine {
        nodes: vec![1],
        ..default.clone()
    };
    let qemu64 = Machine {
        cpu: "qemu64".into(),
        ..default.clone()
    };
    let checked = Machine {
        checked: true,
        ..default.clone()
    };
    let shapes = [
        ("4_on_2+2", default),
        ("one_cpu", one_cpu),
        ("qemu64", qemu64),
        ("a_kernel_that_checks_itself", checked),
    ];
    shapes.map(|(shape, machine)| {
        Trial::test(format!("device::interrupts_arrive_on_{shape}"), move || {
            holds(&machine, PROBE, "driven 20")
        })
    })
}

fn refusals() -> [Trial; 4] {
    let claim = "not started: the kernel refused to claim an interrupt: BadArgument";
    let ports = "not started: the kernel refused to make I/O ports: BadArgument";
    let line = |interrupt| Device { interrupt, ..TIMER };
    let range = |first_port, ports| Device {
        first_port,
        ports,
        ..TIMER
    };
    let refused = [
        ("a_line_that_no_chip_has", line(24), claim),
        ("a_line_without_a_vector", line(1 << 31), claim),
        ("no_port_at_all", range(TIMER.first_port, 0), ports),
        ("a_port_behind_the_last", range(0xffff, 2), ports),
    ];
    refused.map(|(what, device, said)| {
        Trial::test(format!("device::{what}_is_refused"), move || {
            is_refused(device, said)
        })
    })
}

/// QEMU's own view of the I/O APIC, after a driver on each CPU.
fn goes_to_its_cpu() -> Result<(), Failed> {
    for cpu in 0..2 {
        let machine = Machine {
            nodes: vec![2],
            append: "hold".into(),
            ..Machine::default()
        };
        let mut booted = start(&machine, &[&format!("{PROBE}:on {cpu}")], TIME_LIMIT)?;
        let held = booted.session.wait_for("holding");
        let seen = booted.session.monitor("info pic");
        let run = booted.session.quit();
        check(held.is_ok(), "the machine holds still", &run)?;
        let seen = seen?;
        let line = seen.lines().find(|line| line.trim_start().starts_with("pin 2 "));
        let goes_there = line.is_some_and(|line| line.contains(&format!("dest={cpu} vec=50 ")));
        check(goes_there, format!("line 2 goes to CPU {cpu}: {seen}"), &run)?;
        let is_masked = line.is_some_and(|line| line.contains("masked"));
        check(is_masked, format!("and is masked without a driver: {seen}"), &run)?;
    }
    Ok(())
}

fn is_refused(device: Device, said: &str) -> Result<(), Failed> {
    let prepared = prepared()?;
    let mut runs = prepared.runs(&[PROBE])?;
    for run in &mut runs {
        run.terms.device = Some(device);
    }
    let watch = Watch {
        echo: false,
        time_limit: Some(TIME_LIMIT),
    };
    let run = prepared.boot(&Machine::default(), &runs, watch)?;
    check(run.find(said).is_some(), format!("`{said}` is said"), &run)?;
    check_ending(Status::CheckFailed, &run)
}
