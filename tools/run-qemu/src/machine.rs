//! The virtual machine as plain data, and the QEMU arguments that make it.
//!
//! Pure on purpose: tests build the same value, and ask it where a node's memory lies, without a QEMU.

mod cpus;
mod memory;
mod notation;
mod shape;

use std::path::PathBuf;

use crate::ovmf::Ovmf;
use crate::status::Result;

pub use cpus::CpuTopology;
pub use memory::MEMORY_STEP;
pub use shape::{MOST_CPUS, Shape};

/// One virtual machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Present CPUs of each NUMA node, in order. A node may have none.
    pub nodes: Vec<u32>,
    /// Bytes of RAM of each node, where they were said; every other node gets an even share of the rest.
    /// Nodes behind the end of the list count as not said. 0 makes a node without memory.
    pub node_memory: Vec<Option<u64>>,
    /// Bytes of RAM of the whole machine.
    pub memory: u64,
    /// CPU numbers go round the nodes in turn, instead of filling one node after the other.
    pub interleave: bool,
    /// CPUs that the machine has room for and that are not there. Their numbers come last, and they belong
    /// to the last node that has CPUs.
    pub absent: u32,
    /// Sockets, cores and threads; without it all CPUs are cores of one socket.
    pub topology: Option<CpuTopology>,
    /// Distance from each node (row) to each node (column). Empty: QEMU makes no SLIT.
    pub distances: Vec<Vec<u8>>,
    /// QEMU's CPU model.
    pub cpu: String,
    /// The kernel's command line.
    pub append: String,
    /// Boot through UEFI firmware from a disk, instead of having QEMU load the kernel.
    pub uefi: bool,
    /// Count instructions exactly, in one host thread.
    pub icount: bool,
    /// Boot the kernel that checks itself.
    pub checked: bool,
    /// Wait for a debugger.
    pub gdb: bool,
    /// Further QEMU arguments, unchanged.
    pub extra: Vec<String>,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            nodes: vec![2, 2],
            node_memory: Vec::new(),
            memory: 512 << 20,
            interleave: false,
            absent: 0,
            topology: None,
            distances: Vec::new(),
            cpu: "max".into(),
            append: String::new(),
            uefi: false,
            icount: false,
            checked: false,
            gdb: false,
            extra: Vec::new(),
        }
    }
}

/// What the machine boots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootFiles {
    /// Loaded by QEMU itself.
    Direct {
        /// The kernel's ELF file.
        kernel: PathBuf,
        /// The boot module, a tar of manifest, servers and programs.
        module: PathBuf,
    },
    /// Loaded by firmware, from a disk.
    Uefi {
        /// The firmware.
        ovmf: Ovmf,
        /// The disk, a USB stick, with kernel, module and command line.
        image: PathBuf,
    },
}

impl Machine {
    /// The name of the kernel that it boots.
    pub fn kernel(&self) -> &'static str {
        match self.checked {
            false => "kernel",
            true => "kernel-checked",
        }
    }

    /// QEMU's arguments, without those by which the launcher watches the machine.
    pub fn arguments(&self, boot: &BootFiles) -> Result<Vec<String>> {
        let memory = format!("{}M", self.memory >> 20);
        let mut arguments = Vec::new();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(|word| word.to_string()));
        add(&["-machine", "q35", "-accel", "tcg", "-cpu", &self.cpu]);
        add(&["-smp", &self.smp_argument(), "-m", &memory]);
        for (option, value) in self.node_arguments()? {
            add(&[option, &value]);
        }
        for value in self.distance_arguments() {
            add(&["-numa", &value]);
        }
        add(&["-display", "none", "-monitor", "none"]);
        add(&["-nodefaults", "-no-reboot", "-serial", "stdio"]);
        add(&["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]);
        if self.icount {
            add(&["-icount", "shift=0,sleep=off"]);
        }
        if self.gdb {
            add(&["-s", "-S"]);
        }
        arguments.extend(self.boot_arguments(boot));
        arguments.extend(self.extra.iter().cloned());
        Ok(arguments)
    }

    /// Firmware's variables may be written, and the disk, but the files stay as they are.
    fn boot_arguments(&self, boot: &BootFiles) -> Vec<String> {
        let drive = |options: &str, file: &PathBuf| format!("{options},format=raw,file={}", file.display());
        match boot {
            BootFiles::Direct { kernel, module } => {
                let files = [kernel, module].map(|file| file.display().to_string());
                let [kernel, module] = files;
                let mut words = vec!["-kernel".into(), kernel, "-initrd".into(), module];
                if !self.append.is_empty() {
                    words.extend(["-append".into(), self.append.clone()]);
                }
                words
            }
            BootFiles::Uefi { ovmf, image } => [
                "-drive".into(),
                drive("if=pflash,unit=0,readonly=on", &ovmf.code),
                "-drive".into(),
                drive("if=pflash,unit=1,snapshot=on", &ovmf.variables),
                "-drive".into(),
                drive("if=none,id=disk,snapshot=on", image),
                "-device".into(),
                "qemu-xhci".into(),
                "-device".into(),
                "usb-storage,drive=disk".into(),
            ]
            .into(),
        }
    }

    fn smp_argument(&self) -> String {
        let mut argument = self.cpus().to_string();
        if self.absent > 0 {
            argument += &format!(",maxcpus={}", self.possible_cpus());
        }
        if let Some(topology) = &self.topology {
            let CpuTopology {
                sockets,
                cores,
                threads,
            } = topology;
            argument += &format!(",sockets={sockets},cores={cores},threads={threads}");
        }
        argument
    }

    /// The SRAT's shape: one node each, with a memory object if it has memory, and all possible CPUs.
    fn node_arguments(&self) -> Result<Vec<(&'static str, String)>> {
        let mut arguments = Vec::new();
        for (node, bytes) in self.memory_of_nodes()?.into_iter().enumerate() {
            let mut numa = format!("node,nodeid={node}");
            for run in self.cpu_runs(node) {
                numa += &match run.len() {
                    1 => format!(",cpus={}", run.start),
                    _ => format!(",cpus={}-{}", run.start, run.end - 1),
                };
            }
            if bytes > 0 {
                let object = format!("memory-backend-ram,id=memory{node},size={}M", bytes >> 20);
                arguments.push(("-object", object));
                numa += &format!(",memdev=memory{node}");
            }
            arguments.push(("-numa", numa));
        }
        Ok(arguments)
    }

    /// Every pair is said, so that QEMU adds none of its own.
    fn distance_arguments(&self) -> impl Iterator<Item = String> {
        let rows = self.distances.iter().enumerate();
        rows.flat_map(|(from, row)| {
            let pairs = row.iter().enumerate();
            pairs.map(move |(to, distance)| format!("dist,src={from},dst={to},val={distance}"))
        })
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
