//! Names for processors, nodes and places: one newtype each, so that none is mistaken for another.
//!
//! Two numberings meet in a kernel. Ours is dense ([`CpuId`], [`NodeId`]: an index of every array,
//! 0 is where the machine booted). The hardware's is sparse ([`ApicId`], [`ProximityDomain`]). Only
//! [`Topology`](crate::Topology) knows how to get from one to the other; there is no arithmetic here
//! that would let anybody guess.
//!
//! Sources: T1 (possible CPUs), ACPI 6.5 sections 5.2.12 (MADT) and 5.2.16 (SRAT).

use core::fmt;

/// The most CPUs that a [`Topology`](crate::Topology) holds, and the default capacity of
/// [`AllocInfo`](crate::AllocInfo).
pub const MAX_CPUS: usize = 256;

/// The most NUMA nodes that a [`Topology`](crate::Topology) holds, and the default number of groups of
/// an [`AllocInfo`](crate::AllocInfo).
pub const MAX_NODES: usize = 64;

/// Bytes of one page. The allocator thinks in these; so does the hardware it is meant for.
pub const PAGE_SIZE: u64 = 4096;

/// A CPU by our own, dense number. 0 is the boot CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct CpuId(u16);

impl CpuId {
    /// The CPU that the machine booted on.
    pub const BOOT: Self = Self(0);

    /// The CPU with this number.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The number as an array index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The plain number, for messages and records.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// A NUMA node by our own, dense number: the rank of its proximity domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct NodeId(u16);

impl NodeId {
    /// The first node. The only one on a machine without an SRAT.
    pub const FIRST: Self = Self(0);

    /// The node with this number.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The number as an array index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The plain number, for messages and records.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// A CPU by the hardware's number: sparse, 32 bits wide. Means something only to the APIC and to
/// firmware tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct ApicId(u32);

impl ApicId {
    /// The APIC id with this number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The plain number, as the APIC registers want it.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// A node by the firmware's number. Means something only inside SRAT and SLIT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct ProximityDomain(u32);

impl ProximityDomain {
    /// The domain with this number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The plain number: also the row and column of this domain in the SLIT.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// Distance in bytes from the chunk base to a CPU's unit. The same in every chunk: chunks are congruent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct UnitOffset(u64);

impl UnitOffset {
    /// The offset of this many bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The offset in bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

macro_rules! display_as_number {
    ($($name:ident: $format:literal),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $format, self.0)
            }
        }
    )*};
}

display_as_number!(CpuId: "{}", NodeId: "{}", ApicId: "{:#x}", ProximityDomain: "{}", UnitOffset: "{:#x}");
