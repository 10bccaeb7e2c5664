//! Machines that hold still after boot, looked at from outside, each booted once for all who ask.

use std::ops::Range;
use std::time::Duration;

use libtest_mimic::Failed;
use percpu_core::Topology;
use run_qemu::{Machine, Session, Transcript};
use selion_tests::{Cpu, FirstChunk, Page, Registers, mapped, registers};

use crate::lab::{TIME_LIMIT, UEFI_TIME_LIMIT, start};

/// The last program's last instructions may still be under way.
const MOST_LOOKS: u32 = 100;
const UPPER_HALF: Range<u64> = 1 << 47..1 << 48;
const PAGE: usize = 4096;
/// From more CPUs than this on, programs do less.
const MANY: u32 = 16;
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

impl Witness {
    /// How many pages of units lie on each node: unit by unit, as far as the facts tell it.
    pub fn pages_by_node(&self, topology: &Topology) -> Result<Vec<(u64, u64)>, Failed> {
        let unit = self.chunk.kept_bytes();
        let node = |cpu: &Cpu| {
            topology
                .node_of_address(cpu.phys)
                .map(|node| u64::from(node.get()))
        };
        let units = self
            .chunk
            .cpus
            .iter()
            .map(|cpu| Some((node(cpu)?, unit / PAGE as u64)));
        Ok(units.collect::<Option<_>>().ok_or("a unit on no node")?)
    }
}

/// Boot with `hold`, look at the registers while everything idles, and end the machine.
pub fn observe(machine: &Machine) -> Result<Witness, Failed> {
    let held = Machine {
        append: format!("{} hold", machine.append),
        ..machine.clone()
    };
    // With hundreds of CPUs in two host threads a count is worth a second.
    let program = if machine.cpus() > MANY {
        "counter:adds=1000"
    } else {
        "counter"
    };
    let time_limit = if machine.uefi { UEFI_TIME_LIMIT } else { TIME_LIMIT };
    let mut booted = start(&held, &[program], time_limit)?;
    let seen = idle_registers(&mut booted.session);
    let seen = seen.and_then(|cpus| Ok((kernel_pages(&mut booted.session, &cpus)?, cpus)));
    let transcript = booted.session.quit();
    let (kernel_pages, registers) =
        seen.map_err(|failed| format!("{}\n{transcript}", failed.message().unwrap_or_default()))?;
    let chunk = FirstChunk::read(&transcript.lines).map_err(|error| format!("{error}\n{transcript}"))?;
    Ok(Witness {
        machine: machine.clone(),
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
