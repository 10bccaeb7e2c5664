//! What a program finds when it starts: one read-only page at a fixed address.
//!
//! init's page is written by the kernel, every other program's by init.

use crate::{ABI_VERSION, Handle};

/// Where the page lies in every program.
pub const START_INFO_ADDRESS: u64 = 0x7000_0000;

/// Where the boot module is mapped, read-only, in init.
pub const MODULE_ADDRESS: u64 = 0x1_0000_0000;

/// Words in the encoded record, before the two texts.
pub const START_WORDS: usize = 24;
/// Longest name in bytes.
pub const NAME_BYTES: usize = 32;
/// Longest argument text in bytes.
pub const ARGUMENT_BYTES: usize = 1024;
/// Byte offset of the name in the page.
pub const NAME_OFFSET: usize = START_WORDS * 8;
/// Byte offset of the argument in the page.
pub const ARGUMENT_OFFSET: usize = NAME_OFFSET + NAME_BYTES;

const MAGIC: u64 = u64::from_le_bytes(*b"selion\0\0");

/// The words of the start page. Handles that a program was not given are [`Handle::NONE`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StartInfo {
    /// The program's own process.
    pub process: Handle,
    /// The console, to print.
    pub console: Handle,
    /// The percpu server's endpoint, badged for this program (with `RECEIVE` in the server itself).
    pub percpu: Handle,
    /// init's endpoint for programs that start others, badged for this program.
    pub supervisor: Handle,
    /// The interrupt of its device.
    pub interrupt: Handle,
    /// The I/O ports of its device.
    pub ports: Handle,
    /// Pages per unit that the percpu server will give this program at most.
    pub quota_pages: u64,
    /// Bytes of the program's name.
    pub name_bytes: u64,
    /// Bytes of its argument text.
    pub argument_bytes: u64,
    /// What the kernel hands over to init, and init to the percpu server; zero in other programs.
    pub handover: Handover,
}

/// The per-CPU part of the hand-over: what is left of the first chunk, and its shape.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Handover {
    /// The machine: for init to end it, for the percpu server to take CPUs off and on.
    pub machine: Handle,
    /// Per-CPU memory: the reserved part of the first chunk.
    pub reserved: Handle,
    /// Pages per unit in it.
    pub reserved_pages: u64,
    /// Per-CPU memory: what the kernel does not use of the first chunk's dynamic part.
    pub dynamic: Handle,
    /// Pages per unit in it.
    pub dynamic_pages: u64,
    /// Units.
    pub possible_cpus: u64,
    /// CPUs that have reported.
    pub online_cpus: u64,
    /// Nodes.
    pub nodes: u64,
    /// Bytes from one unit of a window to the next.
    pub stride: u64,
    /// Length of the boot module in bytes.
    pub module_bytes: u64,
    /// For the percpu server: a process without threads, whose account pays for its pools.
    pub pool: Handle,
    /// For the percpu server: memory that outlives it; see [`crate::percpu::ledger`].
    pub ledger: Handle,
}

/// Why a start page was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartError {
    /// The page does not begin with the magic word.
    NoMagic,
    /// It was written for another version of this crate. Holds that version.
    VersionMismatch(u64),
    /// The lengths of the texts are beyond their limits.
    BadLength,
}

impl StartInfo {
    /// The words at the start of the page.
    #[must_use]
    pub fn encode(&self) -> [u64; START_WORDS] {
        let h = &self.handover;
        let mut words = [0; START_WORDS];
        words[..23].copy_from_slice(&[
            MAGIC,
            u64::from(ABI_VERSION),
            self.process.0,
            self.console.0,
            self.percpu.0,
            self.quota_pages,
            self.name_bytes,
            self.argument_bytes,
            h.machine.0,
            h.reserved.0,
            h.reserved_pages,
            h.dynamic.0,
            h.dynamic_pages,
            h.possible_cpus,
            h.online_cpus,
            h.nodes,
            h.stride,
            h.module_bytes,
            self.supervisor.0,
            h.pool.0,
            h.ledger.0,
            self.interrupt.0,
            self.ports.0,
        ]);
        words
    }

    /// Reads the words back.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn decode(words: &[u64; START_WORDS]) -> Result<StartInfo, StartError> {
        if words[0] != MAGIC {
            return Err(StartError::NoMagic);
        }
        if words[1] != u64::from(ABI_VERSION) {
            return Err(StartError::VersionMismatch(words[1]));
        }
        if words[6] > NAME_BYTES as u64 || words[7] > ARGUMENT_BYTES as u64 {
            return Err(StartError::BadLength);
        }
        let handover = Handover {
            machine: Handle(words[8]),
            reserved: Handle(words[9]),
            reserved_pages: words[10],
            dynamic: Handle(words[11]),
            dynamic_pages: words[12],
            possible_cpus: words[13],
            online_cpus: words[14],
            nodes: words[15],
            stride: words[16],
            module_bytes: words[17],
            pool: Handle(words[19]),
            ledger: Handle(words[20]),
        };
        Ok(StartInfo {
            process: Handle(words[2]),
            console: Handle(words[3]),
            percpu: Handle(words[4]),
            supervisor: Handle(words[18]),
            interrupt: Handle(words[21]),
            ports: Handle(words[22]),
            quota_pages: words[5],
            name_bytes: words[6],
            argument_bytes: words[7],
            handover,
        })
    }
}
