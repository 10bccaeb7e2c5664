//! The command line, and what it asks for.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use run_qemu::{Core, Machine, Result, Shape, Watch, facts};

const AFTER: &str = "\
Exit status:
   0  ok: the guest said `all checks done` and ended well
   2  the command line makes no sense
   3  build failed
   4  a tool is missing and cannot be installed from here
   5  QEMU failed
  10  a check failed (or the guest ended without success)
  11  kernel panic
  12  triple fault
  13  time limit

Examples:
  cargo run-qemu                               4 CPUs on 2 nodes, the program `counter`
  cargo run-qemu --cpus 8 --nodes 3+5          unequal nodes
  cargo run-qemu --facts facts.json            what the kernel built, for tools
  cargo run-qemu --nodes 3+0                   a node with memory and no CPU
  cargo run-qemu --nodes 2:128M+2:0            a node with CPUs and no memory; 128M in all
  cargo run-qemu --nodes 2+2 --interleave      CPUs 0 and 2 on node 0, CPUs 1 and 3 on node 1
  cargo run-qemu --distances 10,20/30,10       from node 0 to 1: 20; back: 30
  cargo run-qemu --cpus 2 --maxcpus 6          room for four CPUs that are not there
  cargo run-qemu --topology 2x3x2 --nodes 6+6  12 CPUs with gaps in the APIC ids
  cargo run-qemu --uefi                        the same through UEFI firmware
  cargo run-qemu image --out selion.img        a disk image for a USB stick
  cargo run-qemu --append panic_test           see what a panic looks like
  cargo run-qemu counter -- -d int -D qemu.log more arguments for QEMU";

/// Build Selion for the bare metal and boot it in QEMU.
///
/// Finds (or, as root on Debian, installs) what it needs, builds kernel, servers and programs, packs the
/// boot module, boots it and shows the serial line. QEMU is looked for in the environment variable QEMU,
/// on PATH, and below target/qemu.
#[derive(Debug, Parser)]
#[command(name = "cargo run-qemu", bin_name = "cargo run-qemu", after_help = AFTER)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub struct Options {
    #[command(subcommand)]
    pub action: Option<Action>,

    /// Virtual CPUs, at most 255. Without --nodes: 4 CPUs are dealt to two nodes, any other number is one
    /// node [default: 4]
    #[arg(long, value_name = "N")]
    cpus: Option<u32>,

    /// CPUs that the machine has room for, present ones included. Those that are not there have the last
    /// numbers and belong to the last node with CPUs [default: as many as --cpus]
    #[arg(long, value_name = "N")]
    maxcpus: Option<u32>,

    /// CPUs of each NUMA node, in order, and its memory if it is not to be an even share: 3+5, 2+0 (memory
    /// only), 2:128M+2:0 (CPUs only); at most 64 nodes [default: 2+2]
    #[arg(long, value_name = "CPUS[:SIZE]+…")]
    nodes: Option<String>,

    /// Deal the CPU numbers to the nodes in turn, as long as each still lacks CPUs
    #[arg(long)]
    interleave: bool,

    /// Distances from each node, one row for each, from 10 (local) to 255: 10,20/30,10 [default: none are
    /// told, and nodes are 20 apart]
    #[arg(long, value_name = "A,B/C,D")]
    distances: Option<String>,

    /// Sockets, cores of each and threads of each core; numbers that are no powers of two leave gaps in the
    /// APIC ids. They multiply to --maxcpus [default: all CPUs are cores of one socket]
    #[arg(long, value_name = "SxCxT")]
    topology: Option<String>,

    /// Memory of the whole machine [default: 512M, or the sum if all nodes say theirs]
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,

    /// QEMU's CPU model; `qemu64` has no FSGSBASE, SMEP or SMAP
    #[arg(long, value_name = "MODEL", default_value = "max")]
    cpu: String,

    #[command(flatten)]
    pub load: Load,

    /// Boot as real machines do: UEFI firmware (OVMF), a loader, the same kernel and programs from a disk.
    /// The first time it takes minutes to build the loader. OVMF is looked for in the environment variable
    /// OVMF (a folder), where systems have it, and below target/qemu
    #[arg(long, conflicts_with = "gdb")]
    uefi: bool,

    /// Count instructions: RDTSC is exact and the same on every machine, all CPUs share one host thread
    #[arg(long)]
    icount: bool,

    /// Store what the kernel built as JSON: sizes, groups, units, ranges given back, frames of each node
    #[arg(long, value_name = "FILE")]
    pub facts: Option<PathBuf>,

    /// End the machine after this time, counted from QEMU's start [default: 120; none with --gdb]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    time_limit: Option<u64>,

    /// Print the QEMU command line and stop; nothing is built, and the boot module (or disk) that it names is
    /// made anew for each run, elsewhere
    #[arg(long)]
    pub dry_run: bool,

    /// Boot the kernel that checks itself: it panics at locks that are taken out of order
    #[arg(long)]
    checked: bool,

    /// Wait for a debugger on port 1234, and print how to start one
    #[arg(long)]
    gdb: bool,

    /// Write what `bench` measured (the kernel, the per-CPU types, memory kept) to this file, as JSON, with the
    /// compiler's name. Beside the kernel's counts stands what was seen from outside, as with --witness
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Let a plugin of QEMU's watch every instruction, and write what it says to this file, as JSON: what was
    /// executed in the windows that programs mark, which lines of memory CPUs share, how long the kernel kept
    /// interrupts off
    #[arg(long, value_name = "FILE", conflicts_with = "gdb")]
    pub witness: Option<PathBuf>,

    /// More arguments for QEMU
    #[arg(last = true, value_name = "QEMU_ARGS")]
    qemu: Vec<String>,
}

/// What else the launcher does.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Write a disk image for a USB stick, from which machines with UEFI boot the programs.
    ///
    /// Nothing is shown on a screen: the machine speaks on its first serial port (115200 baud, 8N1). Secure
    /// Boot has to be off.
    Image(ImageOptions),
}

/// What goes into a disk image, and where it goes.
#[derive(Debug, Args)]
pub struct ImageOptions {
    /// The file to write; it is replaced when the image is complete
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,

    #[command(flatten)]
    pub load: Load,
}

/// What is built and loaded, whichever way.
#[derive(Debug, Args)]
pub struct Load {
    /// The kernel's command line
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    pub append: String,

    /// Which bare-metal `core` to use, instead of the first that is found
    #[arg(long, value_name = "WHERE")]
    pub core: Option<Core>,

    /// Programs to run, all at once, each with what it is told
    #[arg(value_name = "PROGRAM[:ARG]", default_value = "counter")]
    pub programs: Vec<String>,
}

impl Options {
    /// The machine that is asked for.
    pub fn machine(&self) -> Result<Machine> {
        let shape = Shape {
            cpus: self.cpus,
            maxcpus: self.maxcpus,
            nodes: self.nodes.clone(),
            memory: self.memory.clone(),
            topology: self.topology.clone(),
            distances: self.distances.clone(),
            interleave: self.interleave,
        };
        Ok(Machine {
            cpu: self.cpu.clone(),
            append: self.append(),
            uefi: self.uefi,
            icount: self.icount,
            checked: self.checked,
            gdb: self.gdb,
            extra: self.qemu.clone(),
            ..shape.machine()?
        })
    }

    /// The kernel's command line, with the word that asks for facts.
    fn append(&self) -> String {
        match (&self.facts, self.load.append.as_str()) {
            (None, append) => append.into(),
            (Some(_), "") => facts::WORD.into(),
            (Some(_), append) => format!("{append} {}", facts::WORD),
        }
    }

    /// How it is watched.
    pub fn watch(&self) -> Watch {
        let seconds = self.time_limit.or((!self.gdb).then_some(120));
        Watch {
            echo: true,
            time_limit: seconds.map(Duration::from_secs),
        }
    }
}

#[cfg(test)]
#[path = "cli_tests.rs"]
mod tests;
