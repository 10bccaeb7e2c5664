//! What was wrong with the firmware's description of the machine, by name.
//!
//! A complaint never stops a boot: each variant says what was done instead.

use core::fmt;

use crate::{ApicId, ProximityDomain, RootKind, TableError};

/// Something that firmware got wrong, and what was left out because of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Complaint {
    /// The RSDP is damaged or out of reach: no table is used.
    RsdpUnusable {
        /// Physical address of the RSDP.
        address: u64,
        /// What is wrong.
        error: TableError,
    },
    /// The part of the RSDP that leads to the XSDT is damaged: the RSDT is used.
    RsdpExtensionUnusable(TableError),
    /// The XSDT is damaged or out of reach: the RSDT is used.
    XsdtUnusable {
        /// Its physical address.
        address: u64,
        /// What is wrong.
        error: TableError,
    },
    /// The RSDT is damaged or out of reach: no table is used.
    RsdtUnusable {
        /// Its physical address.
        address: u64,
        /// What is wrong.
        error: TableError,
    },
    /// The list of tables ends in the middle of an entry: that one is left out.
    RootDamaged {
        /// Which list.
        root: RootKind,
        /// Where.
        error: TableError,
    },
    /// An entry of the list of tables leads nowhere: it is left out.
    EntryUnusable {
        /// Which list.
        root: RootKind,
        /// Which entry, from 0.
        entry: usize,
        /// Physical address of the table.
        address: u64,
        /// What is wrong there.
        error: TableError,
    },
    /// The list has a table twice of which there can be one: the first counts.
    SecondTable {
        /// The table's signature.
        signature: [u8; 4],
    },
    /// More entries were left out than are told one by one.
    MoreEntries {
        /// Which list.
        root: RootKind,
        /// How many.
        count: usize,
    },
    /// No MADT was given: only the boot CPU is known.
    NoMadt,
    /// The MADT's header or checksum is wrong: only the boot CPU is known.
    MadtUnusable(TableError),
    /// An entry of the MADT is damaged: CPUs behind it are not known.
    MadtDamaged(TableError),
    /// The SRAT is damaged somewhere: all of it is left out, there is one node.
    SratUnusable(TableError),
    /// The SLIT is damaged: distances are 10 and 20.
    SlitUnusable(TableError),
    /// The SLIT has no row or column for a domain in use: distances are 10 and 20.
    SlitIncomplete {
        /// From this domain.
        from: ProximityDomain,
        /// To this one.
        to: ProximityDomain,
        /// Rows and columns that there are.
        localities: usize,
    },
    /// The SLIT says that a domain is not 10 from itself, or less than 10 from another: distances are
    /// 10 and 20.
    SlitImplausible {
        /// From this domain.
        from: ProximityDomain,
        /// To this one.
        to: ProximityDomain,
        /// What the table says.
        distance: u8,
    },
    /// The SLIT says that two domains are as near as one: taken at its word, and worth a look, because
    /// Linux throws such a table away. The first such pair is told.
    SlitRemoteAtTen {
        /// From this domain.
        from: ProximityDomain,
        /// To this one.
        to: ProximityDomain,
    },
    /// The CPU that runs now is not an enabled CPU of the MADT: it is CPU 0 all the same.
    BootCpuNotListed {
        /// Its APIC id.
        apic_id: ApicId,
    },
    /// More CPUs than [`MAX_CPUS`](crate::MAX_CPUS): this one is left out.
    TooManyCpus {
        /// Its APIC id.
        apic_id: ApicId,
    },
    /// An APIC id that the APIC's present mode cannot address, or that means everybody: the CPU is left
    /// out.
    NotAddressable {
        /// The APIC id.
        apic_id: ApicId,
    },
    /// A second statement about a CPU contradicts the first: the first one counts.
    CpuInTwoDomains {
        /// Its APIC id.
        apic_id: ApicId,
        /// The domain that it is in.
        kept: ProximityDomain,
        /// The domain that was refused.
        dropped: ProximityDomain,
    },
    /// More domains than [`MAX_NODES`](crate::MAX_NODES): this one's CPUs count as CPUs without a domain, its
    /// memory as near to no node.
    TooManyNodes {
        /// The domain.
        domain: ProximityDomain,
    },
    /// The SRAT speaks of a domain that has neither a possible CPU nor memory: it becomes no node.
    UnusedDomain {
        /// The domain.
        domain: ProximityDomain,
    },
    /// More memory ranges than [`MAX_MEMORY_RANGES`](super::MAX_MEMORY_RANGES): this one is left out.
    TooManyRanges {
        /// Physical address of its first byte.
        base: u64,
        /// Bytes.
        length: u64,
    },
    /// A memory range ends behind the end of the address space: it is left out.
    RangePastEnd {
        /// Physical address of its first byte.
        base: u64,
        /// Bytes.
        length: u64,
    },
    /// A memory range overlaps an earlier one: it is left out.
    RangesOverlap {
        /// Physical address of its first byte.
        base: u64,
        /// Bytes.
        length: u64,
    },
}

impl fmt::Display for Complaint {
    // Long, because an arm forgotten is found by the compiler only while all of them stand in one match.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RsdpUnusable { address, error } => {
                write!(f, "RSDP at {address:#x}: {error}: {NO_TABLES}")
            }
            Self::RsdpExtensionUnusable(error) => write!(f, "RSDP: {error}: {RSDT_INSTEAD}"),
            Self::XsdtUnusable { address, error } => {
                write!(f, "XSDT at {address:#x}: {error}: {RSDT_INSTEAD}")
            }
            Self::RsdtUnusable { address, error } => {
                write!(f, "RSDT at {address:#x}: {error}: {NO_TABLES}")
            }
            Self::RootDamaged { root, error } => write!(f, "{}: {error}: not used", root.name()),
            Self::EntryUnusable {
                root,
                entry,
                address,
                error,
            } => {
                let root = root.name();
                write!(
                    f,
                    "{root}: entry {entry}, table at {address:#x}: {error}: not used"
                )
            }
            Self::SecondTable { signature } => write!(f, "a second {}: not used", signature.escape_ascii()),
            Self::MoreEntries { root, count } => {
                write!(f, "{}: {count} more entries are not used", root.name())
            }
            Self::NoMadt => write!(f, "no MADT: only the boot CPU is used"),
            Self::MadtUnusable(error) => write!(f, "MADT: {error}: only the boot CPU is used"),
            Self::MadtDamaged(error) => write!(f, "MADT: {error}: the CPUs behind it are not used"),
            Self::SratUnusable(error) => write!(f, "SRAT: {error}: one node is assumed"),
            Self::SlitUnusable(error) => write!(f, "SLIT: {error}: {ASSUMED}"),
            Self::SlitIncomplete { from, to, localities } => {
                write!(
                    f,
                    "SLIT: nothing on {from} to {to} in {localities} localities: {ASSUMED}"
                )
            }
            Self::SlitImplausible { from, to, distance } => {
                write!(f, "SLIT: {distance} from {from} to {to}: {ASSUMED}")
            }
            Self::SlitRemoteAtTen { from, to } => {
                write!(f, "SLIT: {from} to {to} is as near as {from} to itself: so be it")
            }
            Self::BootCpuNotListed { apic_id } => {
                write!(f, "MADT: boot CPU (APIC id {apic_id}) is not listed")
            }
            Self::TooManyCpus { apic_id } => {
                write!(f, "MADT: no number left for APIC id {apic_id}: not used")
            }
            Self::NotAddressable { apic_id } => {
                write!(f, "MADT: APIC id {apic_id} is not addressable: not used")
            }
            Self::CpuInTwoDomains {
                apic_id,
                kept,
                dropped,
            } => {
                write!(
                    f,
                    "SRAT: APIC id {apic_id} in domain {kept} and in {dropped}: the first counts"
                )
            }
            Self::TooManyNodes { domain } => write!(
                f,
                "SRAT: no node left for domain {domain}: its CPUs go to others in turn, its memory to none"
            ),
            Self::UnusedDomain { domain } => {
                write!(f, "SRAT: nothing usable in domain {domain}: no node")
            }
            Self::TooManyRanges { base, length } => left_out(f, *base, *length, "one range too many"),
            Self::RangePastEnd { base, length } => left_out(f, *base, *length, "behind the address space"),
            Self::RangesOverlap { base, length } => left_out(f, *base, *length, "overlaps other memory"),
        }
    }
}

/// What is left without a sound list of tables.
const NO_TABLES: &str = "no firmware table is used";
/// What replaces the XSDT.
const RSDT_INSTEAD: &str = "the RSDT is used instead";
/// What a SLIT that is left out is replaced by.
const ASSUMED: &str = "distances 10 and 20 are assumed";

fn left_out(f: &mut fmt::Formatter<'_>, base: u64, length: u64, why: &str) -> fmt::Result {
    write!(f, "SRAT: memory {base:#x}+{length:#x} left out: {why}")
}

impl core::error::Error for Complaint {}
