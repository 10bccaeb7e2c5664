//! What the topology tests share: tables from files, tables made by hand, and a topology as text.

#![allow(
    dead_code,
    reason = "every test program compiles this file and uses a part of it"
)]

pub mod root;

use std::{fmt::Write, fs, path::Path};

use percpu_core::{ApicId, ApicMode, Complaint, FirmwareTables, Topology};

/// The tables of one machine, as owned bytes.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    pub madt: Option<Vec<u8>>,
    pub srat: Option<Vec<u8>>,
    pub slit: Option<Vec<u8>>,
}

impl Tables {
    /// The tables of a folder under `tests/tables`.
    pub fn of(machine: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/tables")
            .join(machine);
        assert!(folder.is_dir(), "{} is not there", folder.display());
        let table = |name: &str| fs::read(folder.join(name)).ok();
        Self {
            madt: table("madt.bin"),
            srat: table("srat.bin"),
            slit: table("slit.bin"),
        }
    }

    /// The topology for boot CPU 0 and everything that was complained about.
    pub fn read(&self) -> (Box<Topology>, Vec<Complaint>) {
        self.read_as(0, ApicMode::XApic)
    }

    pub fn read_as(&self, boot: u32, mode: ApicMode) -> (Box<Topology>, Vec<Complaint>) {
        let mut topology = Box::new(Topology::empty());
        let mut complaints = Vec::new();
        let tables = FirmwareTables {
            madt: self.madt.as_deref(),
            srat: self.srat.as_deref(),
            slit: self.slit.as_deref(),
        };
        topology.read(ApicId::new(boot), mode, &tables, |complaint| {
            complaints.push(complaint)
        });
        (topology, complaints)
    }

    /// The topology of tables that give no reason to complain, as text.
    pub fn described(&self) -> String {
        let (topology, complaints) = self.read();
        assert_eq!(complaints, []);
        describe(&topology)
    }
}

/// CPUs as `apic/node` (`-` behind those that are not present), memory as `base+length/node` (`?` if it
/// may come later), distances row by row.
pub fn describe(topology: &Topology) -> String {
    let mut text = String::from("cpus");
    for cpu in topology.cpus() {
        let apic_id = topology.apic_id(cpu).expect("a possible CPU").get();
        let node = topology.node_of_cpu(cpu).expect("a possible CPU");
        let absent = if topology.is_present(cpu) { "" } else { "-" };
        write!(text, " {apic_id}/{node}{absent}").expect("text");
    }
    text.push_str("\nmemory");
    for range in topology.memory_ranges() {
        let later = if range.hotplug { "?" } else { "" };
        write!(
            text,
            " {:#x}+{:#x}/{}{later}",
            range.base, range.length, range.node
        )
        .expect("text");
    }
    text.push_str("\ndistances");
    for from in topology.nodes() {
        let row: Vec<_> = topology
            .nodes()
            .map(|to| topology.distance(from, to).to_string())
            .collect();
        write!(text, " {}", row.join(",")).expect("text");
    }
    text
}

/// A table under construction.
pub struct Table(Vec<u8>);

impl Table {
    fn new(signature: &[u8; 4], revision: u8, fixed: &[u8]) -> Self {
        let mut bytes = vec![0; 36];
        bytes[..4].copy_from_slice(signature);
        bytes[8] = revision;
        bytes.extend_from_slice(fixed);
        Self(bytes)
    }

    /// A MADT with the local APIC at `0xfee0_0000`.
    pub fn madt(revision: u8) -> Self {
        Self::new(b"APIC", revision, &[0, 0, 0xe0, 0xfe, 1, 0, 0, 0])
    }

    pub fn srat(revision: u8) -> Self {
        Self::new(b"SRAT", revision, &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    pub fn slit(localities: u64, distances: &[u8]) -> Self {
        Self::new(b"SLIT", 1, &localities.to_le_bytes()).raw(distances)
    }

    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn local_apic(self, apic_id: u8, flags: u8) -> Self {
        self.raw(&[0, 8, apic_id, apic_id, flags, 0, 0, 0])
    }

    pub fn x2apic(self, apic_id: u32, flags: u8) -> Self {
        let id = apic_id.to_le_bytes();
        self.raw(&[9, 16, 0, 0]).raw(&id).raw(&[flags, 0, 0, 0]).raw(&id)
    }

    pub fn apic_address(self, address: u64) -> Self {
        self.raw(&[5, 12, 0, 0]).raw(&address.to_le_bytes())
    }

    /// Processor affinity by local APIC: the domain's bytes are split.
    pub fn cpu(self, apic_id: u8, domain: u32, flags: u8) -> Self {
        let d = domain.to_le_bytes();
        self.raw(&[
            0, 16, d[0], apic_id, flags, 0, 0, 0, 7, d[1], d[2], d[3], 0, 0, 0, 0,
        ])
    }

    pub fn x2apic_cpu(self, apic_id: u32, domain: u32, flags: u8) -> Self {
        let start = self
            .raw(&[2, 24, 0, 0])
            .raw(&domain.to_le_bytes())
            .raw(&apic_id.to_le_bytes());
        start.raw(&[flags, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    pub fn memory(self, base: u64, length: u64, domain: u32, flags: u8) -> Self {
        let start = self.raw(&[1, 40]).raw(&domain.to_le_bytes()).raw(&[0, 0]);
        let range = start
            .raw(&base.to_le_bytes())
            .raw(&length.to_le_bytes())
            .raw(&[0; 4]);
        range.raw(&[flags, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    /// The bytes, with a true length and checksum.
    pub fn done(mut self) -> Option<Vec<u8>> {
        repair(&mut self.0);
        Some(self.0)
    }
}

/// Makes the header's length and checksum true for these bytes.
pub fn repair(table: &mut [u8]) {
    if table.len() < 36 {
        return;
    }
    let length = table.len() as u32;
    table[4..8].copy_from_slice(&length.to_le_bytes());
    table[9] = 0;
    table[9] = table.iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte));
}
