//! Machines that hold still after boot, looked at from outside, each booted once for all who ask.

use std::sync::OnceLock;

use libtest_mimic::Failed;
use run_qemu::{Machine, Transcript};
use selion_tests::{FirstChunk, Registers, registers};

use crate::lab::{TIME_LIMIT, start};

/// One machine that holds still after boot, and what was seen of it.
pub struct Witness {
    /// What the launcher was asked for.
    pub machine: Machine,
    /// What it said.
    pub transcript: Transcript,
    /// What QEMU showed of its CPUs.
    pub registers: Vec<Registers>,
    /// What the kernel reported.
    pub chunk: FirstChunk,
}

/// A machine that is booted by the first who asks.
pub type Shared = fn() -> Result<&'static Witness, Failed>;

pub fn four() -> Result<&'static Witness, Failed> {
    static WITNESS: OnceLock<Result<Witness, String>> = OnceLock::new();
    shared(&WITNESS, Machine::default())
}

pub fn eight() -> Result<&'static Witness, Failed> {
    static WITNESS: OnceLock<Result<Witness, String>> = OnceLock::new();
    shared(
        &WITNESS,
        Machine {
            nodes: vec![3, 5],
            ..Machine::default()
        },
    )
}

pub fn qemu64() -> Result<&'static Witness, Failed> {
    static WITNESS: OnceLock<Result<Witness, String>> = OnceLock::new();
    shared(
        &WITNESS,
        Machine {
            cpu: "qemu64".into(),
            ..Machine::default()
        },
    )
}

fn shared(
    witness: &'static OnceLock<Result<Witness, String>>,
    machine: Machine,
) -> Result<&'static Witness, Failed> {
    let made = witness
        .get_or_init(|| observe(machine).map_err(|failed| failed.message().unwrap_or_default().into()));
    made.as_ref().map_err(Failed::from)
}

/// Boot with `hold`, look at the registers while everything idles, and end the machine.
fn observe(machine: Machine) -> Result<Witness, Failed> {
    let machine = Machine {
        append: "hold".into(),
        ..machine
    };
    let mut booted = start(&machine, &["counter"], TIME_LIMIT)?;
    let dump = match booted.session.wait_for("holding") {
        Ok(_) => booted.session.monitor("info registers -a"),
        Err(failure) => Err(failure),
    };
    let transcript = booted.session.quit();
    let dump = dump.map_err(|failure| format!("{failure}\n{transcript}"))?;
    let chunk = FirstChunk::read(&transcript.lines).map_err(|error| format!("{error}\n{transcript}"))?;
    Ok(Witness {
        machine,
        registers: registers(&dump)?,
        chunk,
        transcript,
    })
}
