//! From the RSDP to the tables that describe the machine.
//!
//! Policy lives here: what is not proven is not followed. A damaged RSDP or RSDT costs all tables; a damaged
//! XSDT, or the part of the RSDP that leads to it, costs nothing if the RSDT is sound, because both list the
//! same tables. An entry that leads nowhere costs that entry.

use super::{Complaint, FirmwareTables};
use crate::TableError;
use crate::firmware::{Memory, RootKind, RootTable, Rsdp, signature, whole_table};

/// More oddities of entries are counted, not told: a list full of them must not cost a boot.
const TOLD_ENTRIES: usize = 16;

impl<'a> FirmwareTables<'a> {
    /// Follows the addresses from the RSDP on. `memory` gives so many bytes at a physical address, or `None` if
    /// one of them is out of its reach. Whatever is there, the walk ends; each thing that was wrong goes to
    /// `complain`. The tables themselves are only found: [`Topology::read`](super::Topology::read) proves them.
    pub fn find(
        rsdp: u64,
        memory: impl Fn(u64, usize) -> Option<&'a [u8]>,
        mut complain: impl FnMut(Complaint),
    ) -> Self {
        let mut found = Self::default();
        let Some(root) = find_root(rsdp, &memory, &mut complain) else {
            return found;
        };
        let mut untold = 0;
        let mut left = TOLD_ENTRIES;
        for (entry, address) in root.entries().enumerate() {
            let taken = match address {
                Ok(address) => found.take(address, &memory),
                Err(error) => Err(Refusal::Unusable { address: 0, error }),
            };
            match (taken, left) {
                (Ok(()), _) => {}
                (Err(_), 0) => untold += 1,
                (Err(refusal), _) => {
                    left -= 1;
                    complain(refusal.complaint(root.kind(), entry));
                }
            }
        }
        if untold > 0 {
            complain(Complaint::MoreEntries {
                root: root.kind(),
                count: untold,
            });
        }
        found
    }

    /// Keeps the table at `address` if it is one of the three. The first of a kind counts.
    fn take(&mut self, address: u64, memory: &impl Memory<'a>) -> Result<(), Refusal> {
        let unusable = |error| Refusal::Unusable { address, error };
        let signature = signature(address, memory).map_err(unusable)?;
        let slot = match &signature {
            b"APIC" => &mut self.madt,
            b"SRAT" => &mut self.srat,
            b"SLIT" => &mut self.slit,
            _ => return Ok(()),
        };
        if slot.is_some() {
            return Err(Refusal::Second { signature });
        }
        *slot = Some(whole_table(address, memory).map_err(unusable)?);
        Ok(())
    }
}

/// Why an entry is not used.
enum Refusal {
    Unusable { address: u64, error: TableError },
    Second { signature: [u8; 4] },
}

impl Refusal {
    fn complaint(self, root: RootKind, entry: usize) -> Complaint {
        match self {
            // A cut-off entry has no address: the error tells where it is.
            Self::Unusable {
                error: error @ TableError::EntryPastEnd { .. },
                ..
            } => Complaint::RootDamaged { root, error },
            Self::Unusable { address, error } => Complaint::EntryUnusable {
                root,
                entry,
                address,
                error,
            },
            Self::Second { signature } => Complaint::SecondTable { signature },
        }
    }
}

/// The list of tables that counts: the XSDT if there is one and it is sound.
fn find_root<'a>(
    rsdp: u64,
    memory: &impl Memory<'a>,
    complain: &mut impl FnMut(Complaint),
) -> Option<RootTable<'a>> {
    let rsdp = Rsdp::read(rsdp, memory)
        .map_err(|error| complain(Complaint::RsdpUnusable { address: rsdp, error }))
        .ok()?;
    match rsdp.xsdt {
        Ok(None) => {}
        Err(error) => complain(Complaint::RsdpExtensionUnusable(error)),
        Ok(Some(address)) => match RootTable::read(RootKind::Xsdt, address, memory) {
            Ok(xsdt) => return Some(xsdt),
            Err(error) => complain(Complaint::XsdtUnusable { address, error }),
        },
    }
    let address = rsdp.rsdt;
    RootTable::read(RootKind::Rsdt, address, memory)
        .map_err(|error| complain(Complaint::RsdtUnusable { address, error }))
        .ok()
}
