//! The virtual machine as plain data, and the QEMU arguments that make it.
//!
//! Pure on purpose: tests build the same value, and ask it where a node's memory lies, without a QEMU.

use std::ops::Range;
use std::path::PathBuf;

use crate::status::{Failure, Result};

/// Memory is dealt to nodes in pieces of this size, so that no large page straddles two nodes.
pub const MEMORY_STEP: u64 = 2 << 20;
/// QEMU's software emulation refuses more: it has neither x2APIC nor a kernel irqchip.
pub const MOST_CPUS: u32 = 255;

/// From this much RAM on, a q35 machine keeps only 2 GiB of it below 4 GiB.
const Q35_SPLIT_FROM: u64 = 0xb000_0000;
const Q35_LOW_WHEN_SPLIT: u64 = 0x8000_0000;
const FOUR_GIB: u64 = 1 << 32;

/// One virtual machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// CPUs of each NUMA node, in order; CPU numbers run through. A node may have none.
    pub nodes: Vec<u32>,
    /// Bytes of RAM, dealt evenly to the nodes.
    pub memory: u64,
    /// QEMU's CPU model.
    pub cpu: String,
    /// The kernel's command line.
    pub append: String,
    /// Count instructions exactly, in one host thread.
    pub icount: bool,
    /// Wait for a debugger.
    pub gdb: bool,
    /// Further QEMU arguments, unchanged.
    pub extra: Vec<String>,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            nodes: vec![2, 2],
            memory: 512 << 20,
            cpu: "max".into(),
            append: String::new(),
            icount: false,
            gdb: false,
            extra: Vec::new(),
        }
    }
}

/// What the machine boots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootFiles {
    /// The kernel's ELF file.
    pub kernel: PathBuf,
    /// The boot module, a tar of manifest, servers and programs.
    pub module: PathBuf,
}

impl Machine {
    /// The default machine with these CPUs and nodes, under the launcher's rules for what was not said.
    pub fn shaped(cpus: Option<u32>, nodes: Option<Vec<u32>>) -> Result<Self> {
        let default = Self::default();
        let nodes = match (cpus, nodes) {
            (None, None) => default.nodes.clone(),
            (Some(cpus), None) if cpus == default.cpus() => default.nodes.clone(),
            (Some(cpus), None) => vec![cpus],
            (cpus, Some(nodes)) => checked_nodes(cpus, nodes)?,
        };
        let machine = Self { nodes, ..default };
        match machine.cpus() {
            0 => Err(Failure::usage(
                "a machine needs at least one CPU: raise --cpus or --nodes",
            )),
            n if n > MOST_CPUS => Err(Failure::usage(format!(
                "{n} CPUs asked for, but QEMU's software emulation has at most {MOST_CPUS}"
            ))),
            _ => Ok(machine),
        }
    }

    /// All CPUs.
    pub fn cpus(&self) -> u32 {
        self.nodes.iter().fold(0, |sum, cpus| sum.saturating_add(*cpus))
    }

    /// The node of each CPU, by CPU number.
    pub fn node_of_cpus(&self) -> Vec<u32> {
        let nodes = self.nodes.iter().zip(0u32..);
        nodes
            .flat_map(|(&cpus, node)| std::iter::repeat_n(node, cpus as usize))
            .collect()
    }

    /// Bytes of each node: equal shares in steps of 2 MiB, and the last node takes what is left.
    pub fn memory_of_nodes(&self) -> Result<Vec<u64>> {
        let nodes = self.nodes.len() as u64;
        let share = self.memory / nodes / MEMORY_STEP * MEMORY_STEP;
        if share == 0 || !self.memory.is_multiple_of(MEMORY_STEP) {
            return Err(Failure::usage(format!(
                "{} KiB of memory cannot be dealt to {nodes} node(s) in steps of 2 MiB: \
                 give --memory a multiple of 2M that has at least 2M for each node",
                self.memory >> 10
            )));
        }
        let mut shares = vec![share; self.nodes.len()];
        if let Some(last) = shares.last_mut() {
            *last += self.memory - share * nodes;
        }
        Ok(shares)
    }

    /// Where each node's memory lies in the guest's physical address space, as q35 lays it out.
    pub fn physical_ranges(&self) -> Result<Vec<Vec<Range<u64>>>> {
        let low_end = if self.memory >= Q35_SPLIT_FROM {
            Q35_LOW_WHEN_SPLIT
        } else {
            self.memory
        };
        let mut start = 0;
        let mut ranges = Vec::new();
        for bytes in self.memory_of_nodes()? {
            let end = start + bytes;
            let above = |at: u64| at.max(low_end) - low_end + FOUR_GIB;
            let parts = [start.min(low_end)..end.min(low_end), above(start)..above(end)];
            ranges.push(parts.into_iter().filter(|part| !part.is_empty()).collect());
            start = end;
        }
        Ok(ranges)
    }

    /// QEMU's arguments, without those by which the launcher watches the machine.
    pub fn arguments(&self, boot: &BootFiles) -> Result<Vec<String>> {
        let cpus = self.cpus().to_string();
        let memory = format!("{}M", self.memory >> 20);
        let kernel = boot.kernel.display().to_string();
        let module = boot.module.display().to_string();
        let mut arguments = Vec::new();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(|word| word.to_string()));
        add(&["-machine", "q35", "-accel", "tcg", "-cpu", &self.cpu]);
        add(&["-smp", &cpus, "-m", &memory]);
        for words in self.node_arguments()? {
            add(&[&words.0, &words.1]);
        }
        add(&[
            "-display",
            "none",
            "-monitor",
            "none",
            "-nodefaults",
            "-no-reboot",
        ]);
        add(&[
            "-serial",
            "stdio",
            "-device",
            "isa-debug-exit,iobase=0xf4,iosize=0x04",
        ]);
        if self.icount {
            add(&["-icount", "shift=0,sleep=off"]);
        }
        if self.gdb {
            add(&["-s", "-S"]);
        }
        add(&["-kernel", &kernel, "-initrd", &module]);
        if !self.append.is_empty() {
            add(&["-append", &self.append]);
        }
        arguments.extend(self.extra.iter().cloned());
        Ok(arguments)
    }

    /// The SRAT's shape: one memory object and one node each. No distances, so QEMU makes no SLIT.
    fn node_arguments(&self) -> Result<Vec<(String, String)>> {
        let mut arguments = Vec::new();
        let mut first = 0;
        for ((node, &cpus), bytes) in self.nodes.iter().enumerate().zip(self.memory_of_nodes()?) {
            let object = format!("memory-backend-ram,id=memory{node},size={}M", bytes >> 20);
            arguments.push(("-object".into(), object));
            let range = match cpus {
                0 => String::new(),
                1 => format!(",cpus={first}"),
                _ => format!(",cpus={first}-{}", first + cpus - 1),
            };
            let numa = format!("node,nodeid={node}{range},memdev=memory{node}");
            arguments.push(("-numa".into(), numa));
            first += cpus;
        }
        Ok(arguments)
    }
}

fn checked_nodes(cpus: Option<u32>, nodes: Vec<u32>) -> Result<Vec<u32>> {
    let sum = nodes.iter().fold(0u32, |sum, cpus| sum.saturating_add(*cpus));
    match cpus {
        Some(cpus) if cpus != sum => Err(Failure::usage(format!(
            "--nodes adds up to {sum} CPUs, --cpus says {cpus}: drop one of the two or make them agree"
        ))),
        _ => Ok(nodes),
    }
}

/// `3+5` → three CPUs on node 0, five on node 1.
pub fn parse_nodes(text: &str) -> Result<Vec<u32>> {
    let node = |part: &str| {
        part.trim().parse().map_err(|_| {
            Failure::usage(format!(
                "--nodes {text}: `{part}` is no number of CPUs; write it like 2+2 or 3+5"
            ))
        })
    };
    text.split('+').map(node).collect()
}

/// `512M`, `2G` or plain MiB → bytes.
pub fn parse_memory(text: &str) -> Result<u64> {
    let wrong = || Failure::usage(format!("--memory {text}: write it like 512M or 2G"));
    let (digits, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "M"),
    };
    let shift = match unit {
        "M" | "m" => 20,
        "G" | "g" => 30,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number
        .checked_mul(1 << shift)
        .filter(|bytes| *bytes > 0)
        .ok_or_else(wrong)
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
