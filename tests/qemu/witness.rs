//! Machines that hold still after boot, looked at from outside, each booted once for all who ask.

use std::ops::Range;
use std::sync::OnceLock;
use std::time::Duration;

use libtest_mimic::Failed;
use run_qemu::{Machine, Session, Transcript};
use selion_tests::{FirstChunk, Page, Registers, mapped, registers};

use crate::lab::{TIME_LIMIT, start, with_append};

/// The last program's last instructions may still be under way.
const MOST_LOOKS: u32 = 100;
const UPPER_HALF: Range<u64> = 1 << 47..1 << 48;
const PAGE: usize = 4096;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// One machine that holds still after boot, and what was seen of it.
pub struct Witness {
    /// What the launcher was asked for.
    pub machine: Machine,
    /// What it said.
    pub transcript: Transcript,
    /// What QEMU showed of its CPUs.
    pub registers: Vec<Registers>,
    /// The kernel's half of the page table, of which every address space has the same.
    pub kernel_pages: Vec<Page>,
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

pub fn paged() -> Result<&'static Witness, Failed> {
    static WITNESS: OnceLock<Result<Witness, String>> = OnceLock::new();
    shared(&WITNESS, with_append("percpu_alloc=page"))
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
        append: format!("{} hold", machine.append),
        ..machine
    };
    let mut booted = start(&machine, &["counter"], TIME_LIMIT)?;
    let seen = idle_registers(&mut booted.session);
    let seen = seen.and_then(|cpus| Ok((kernel_pages(&mut booted.session, &cpus)?, cpus)));
    let transcript = booted.session.quit();
    let (kernel_pages, registers) =
        seen.map_err(|failed| format!("{}\n{transcript}", failed.message().unwrap_or_default()))?;
    let chunk = FirstChunk::read(&transcript.lines).map_err(|error| format!("{error}\n{transcript}"))?;
    Ok(Witness {
        machine,
        registers,
        kernel_pages,
        chunk,
        transcript,
    })
}

/// The registers once every CPU idles; if one never does, those of the last look.
pub fn idle_registers(session: &mut Session) -> Result<Vec<Registers>, Failed> {
    session.wait_for("holding")?;
    let mut looks = 0;
    loop {
        let cpus = registers(&session.monitor("info registers -a")?)?;
        looks += 1;
        if looks == MOST_LOOKS || cpus.iter().all(|cpu| cpu.is_halted) {
            return Ok(cpus);
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// The upper half, with addresses as the page tables count them: without the sign.
fn kernel_pages(session: &mut Session, cpus: &[Registers]) -> Result<Vec<Page>, Failed> {
    let cpu = cpus.first().ok_or("no CPU")?;
    Ok(mapped(cpu.cr3, UPPER_HALF, |table| {
        session.physical(table, PAGE)
    })?)
}
