//! The way to the tables: the RSDP, and the RSDT or XSDT that lists them.
//!
//! Addresses from firmware are allegations too: each one is followed only through the caller's [`Memory`], which
//! knows what it can reach, and nothing counts before signature, length and checksum are proven.
//!
//! Source: ACPI 6.5, sections 5.2.5.3, 5.2.7, 5.2.8.

use super::{HEADER_LENGTH, TableError, add_up, array_at, proven, u32_at};

/// What both forms of the RSDP have.
const RSDP_LENGTH: usize = 20;
/// With the extension, which has the XSDT's address.
const RSDP_EXTENDED_LENGTH: usize = 36;
/// The first revision with an extension.
const EXTENDED: u8 = 2;
/// No table that describes a machine of 256 CPUs comes near this.
const MAX_LENGTH: usize = 1 << 20;

/// Physical memory as far as the caller can read it: so many bytes at this address, or `None` if one of them is
/// out of reach.
pub trait Memory<'a>: Fn(u64, usize) -> Option<&'a [u8]> {}

impl<'a, F: Fn(u64, usize) -> Option<&'a [u8]>> Memory<'a> for F {}

/// Where the lists of tables are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rsdp {
    /// Physical address of the RSDT.
    pub rsdt: u64,
    /// Physical address of the XSDT, where there is one; or why the part that has it cannot be believed.
    pub xsdt: Result<Option<u64>, TableError>,
}

impl Rsdp {
    /// Proves signature and checksum; those of the extension by themselves, because the rest does without it.
    ///
    /// # Errors
    ///
    /// [`TableError::OutOfReach`], [`TableError::WrongSignature`], [`TableError::BadChecksum`].
    pub fn read<'a>(address: u64, memory: &impl Memory<'a>) -> Result<Self, TableError> {
        let bytes = reach(address, RSDP_LENGTH, memory)?;
        for (at, part) in [(0, *b"RSD "), (4, *b"PTR ")] {
            let found = array_at::<4>(bytes, at).unwrap_or_default();
            if found != part {
                return Err(TableError::WrongSignature { found });
            }
        }
        add_up(bytes)?;
        Ok(Self {
            rsdt: u32_at(bytes, 16).map_or(0, u64::from),
            xsdt: match bytes.get(15) {
                Some(&revision) if revision >= EXTENDED => xsdt_address(address, memory),
                _ => Ok(None),
            },
        })
    }
}

/// From a proven extension. An address of 0 means that there is no XSDT.
fn xsdt_address<'a>(address: u64, memory: &impl Memory<'a>) -> Result<Option<u64>, TableError> {
    let length = length_at(address, 20, RSDP_EXTENDED_LENGTH, memory)?;
    let bytes = add_up(reach(address, length, memory)?)?;
    let xsdt = array_at(bytes, 24).map_or(0, u64::from_le_bytes);
    Ok((xsdt != 0).then_some(xsdt))
}

/// The two lists of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootKind {
    /// Addresses of 32 bits.
    Rsdt,
    /// Addresses of 64 bits.
    Xsdt,
}

impl RootKind {
    /// What ACPI calls it; also its signature.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rsdt => "RSDT",
            Self::Xsdt => "XSDT",
        }
    }

    fn signature(self) -> &'static [u8; 4] {
        match self {
            Self::Rsdt => b"RSDT",
            Self::Xsdt => b"XSDT",
        }
    }

    /// Bytes of an entry.
    #[must_use]
    pub fn entry_size(self) -> usize {
        match self {
            Self::Rsdt => 4,
            Self::Xsdt => 8,
        }
    }
}

/// A list of tables whose header and checksum are proven.
#[derive(Clone, Copy, Debug)]
pub struct RootTable<'a> {
    kind: RootKind,
    table: &'a [u8],
}

impl<'a> RootTable<'a> {
    /// Proves the header, the length and the checksum.
    ///
    /// # Errors
    ///
    /// [`TableError::OutOfReach`], [`TableError::TooShort`], [`TableError::TooLong`],
    /// [`TableError::WrongSignature`], [`TableError::BadChecksum`].
    pub fn read(kind: RootKind, address: u64, memory: &impl Memory<'a>) -> Result<Self, TableError> {
        let head = reach(address, HEADER_LENGTH, memory)?;
        let found = array_at::<4>(head, 0).unwrap_or_default();
        if found != *kind.signature() {
            return Err(TableError::WrongSignature { found });
        }
        let table = proven(whole_table(address, memory)?, kind.signature(), HEADER_LENGTH)?;
        Ok(Self { kind, table })
    }

    /// Which of the two it is.
    #[must_use]
    pub fn kind(&self) -> RootKind {
        self.kind
    }

    /// The addresses of the tables, in their order. What follows the last whole one is the last item, an error.
    pub fn entries(&self) -> impl Iterator<Item = Result<u64, TableError>> + use<'a> {
        let size = self.kind.entry_size();
        let table = self.table;
        (HEADER_LENGTH..table.len()).step_by(size).map(move |offset| {
            let entry = table.get(offset..offset.saturating_add(size));
            let entry = entry.ok_or(TableError::EntryPastEnd { offset, length: size })?;
            Ok(entry
                .iter()
                .rev()
                .fold(0, |address, byte| address << 8 | u64::from(*byte)))
        })
    }
}

/// The signature of the table at this address.
pub fn signature<'a>(address: u64, memory: &impl Memory<'a>) -> Result<[u8; 4], TableError> {
    let head = reach(address, HEADER_LENGTH, memory)?;
    Ok(array_at(head, 0).unwrap_or_default())
}

/// All bytes of a table, as long as its header says. Whether they add up is for its reader to prove.
pub fn whole_table<'a>(address: u64, memory: &impl Memory<'a>) -> Result<&'a [u8], TableError> {
    let length = length_at(address, 4, HEADER_LENGTH, memory)?;
    reach(address, length, memory)
}

/// The length field `at` this byte, if it is at least `needed` and not absurd.
fn length_at<'a>(
    address: u64,
    at: usize,
    needed: usize,
    memory: &impl Memory<'a>,
) -> Result<usize, TableError> {
    let head = reach(address, needed, memory)?;
    match u32_at(head, at).map_or(0, |length| length as usize) {
        given if given < needed => Err(TableError::TooShort { given, needed }),
        length if length > MAX_LENGTH => Err(TableError::TooLong { length }),
        length => Ok(length),
    }
}

/// Address 0 stands for nothing; memory that ends early is no memory.
fn reach<'a>(address: u64, length: usize, memory: &impl Memory<'a>) -> Result<&'a [u8], TableError> {
    let bytes = match address {
        0 => None,
        _ => memory(address, length),
    };
    let bytes = bytes.and_then(|bytes| bytes.get(..length));
    bytes.ok_or(TableError::OutOfReach { address, length })
}
