//! Filling a topology from firmware tables in one call.
//!
//! Policy lives here: which entries count, what a damaged table costs. A MADT that breaks off is used
//! up to the break (a CPU more is a CPU more); an SRAT with any damage is not used at all, because half
//! an SRAT would put memory on the wrong node; a SLIT counts as a whole or not. A SLIT with more rows than
//! there are nodes is no reason to complain: firmware sizes it for the largest machine.
//!
//! Sources: T1, T2, T8; ACPI 6.5 section 5.2.12.2 (flags and their meaning by revision).

use super::{ApicMode, Complaint, Topology};
use crate::{ApicId, MAX_NODES, Madt, MadtEntry, ProximityDomain, Slit, Srat, SratEntry, TableError};

/// Bytes of the whole tables, as found; `None` where there is none. Longer than the table is fine.
#[derive(Clone, Copy, Debug, Default)]
pub struct FirmwareTables<'a> {
    /// Multiple APIC Description Table: the CPUs.
    pub madt: Option<&'a [u8]>,
    /// System Resource Affinity Table: nodes. Not there: one node.
    pub srat: Option<&'a [u8]>,
    /// System Locality Information Table: distances. Not there: 10 and 20.
    pub slit: Option<&'a [u8]>,
}

impl Topology {
    /// Describes the machine from its firmware tables: everything anew, in place.
    ///
    /// `boot` is the APIC id of the CPU that runs this. Whatever the tables are, the result is usable:
    /// at least CPU 0 on node 0. Each thing that was wrong goes to `complain`, in table order.
    pub fn read(
        &mut self,
        boot: ApicId,
        mode: ApicMode,
        tables: &FirmwareTables<'_>,
        mut complain: impl FnMut(Complaint),
    ) {
        self.start(boot);
        self.read_madt(boot, mode, tables.madt, &mut complain);
        if let Some(bytes) = tables.srat {
            match checked_srat(bytes) {
                Ok(srat) => self.read_srat(&srat, &mut complain),
                Err(error) => complain(Complaint::SratUnusable(error)),
            }
        }
        self.finish();
        let distances = match tables.slit.map(Slit::new) {
            Some(Ok(slit)) => self.set_distances(&slit),
            Some(Err(error)) => Err(Complaint::SlitUnusable(error)),
            None => Ok(()),
        };
        match distances {
            Ok(()) => self.remote_pair_at_10().into_iter().for_each(complain),
            Err(complaint) => complain(complaint),
        }
    }

    fn read_madt(
        &mut self,
        boot: ApicId,
        mode: ApicMode,
        bytes: Option<&[u8]>,
        complain: &mut impl FnMut(Complaint),
    ) {
        let madt = match bytes.map(Madt::new) {
            Some(Ok(madt)) => madt,
            Some(Err(error)) => return complain(Complaint::MadtUnusable(error)),
            None => return complain(Complaint::NoMadt),
        };
        let mut boot_is_listed = false;
        for entry in madt.processors() {
            let entry = match entry {
                Ok(entry) if is_possible(&entry, madt.revision()) => entry,
                Ok(_) => continue,
                Err(error) => {
                    complain(Complaint::MadtDamaged(error));
                    continue;
                }
            };
            boot_is_listed |= entry.apic_id == boot && entry.enabled;
            match is_addressable(&entry, mode) {
                true => self
                    .add_cpu(entry.apic_id, entry.enabled)
                    .unwrap_or_else(&mut *complain),
                // Placeholders are common and mean nothing: nobody waits for them.
                false if !entry.enabled && is_everybody(&entry) => {}
                false => complain(Complaint::NotAddressable {
                    apic_id: entry.apic_id,
                }),
            }
        }
        if !boot_is_listed {
            complain(Complaint::BootCpuNotListed { apic_id: boot });
        }
    }

    fn read_srat(&mut self, srat: &Srat<'_>, complain: &mut impl FnMut(Complaint)) {
        for entry in srat.entries().flatten() {
            let added = match entry {
                SratEntry::Cpu {
                    apic_id,
                    domain,
                    enabled: true,
                } => self.add_cpu_affinity(apic_id, domain),
                SratEntry::Memory {
                    domain,
                    base,
                    length,
                    enabled: true,
                    hotplug,
                } => self.add_memory(base, length, domain, hotplug),
                SratEntry::Cpu { .. } | SratEntry::Memory { .. } => Ok(()),
            };
            added.unwrap_or_else(&mut *complain);
        }
        self.tell_unused_domains(srat, complain);
    }

    /// Names the domains that enabled entries speak of and that nobody is in, each once, and not more of
    /// them than there could be nodes: a table full of them must not cost a boot.
    fn tell_unused_domains(&self, srat: &Srat<'_>, complain: &mut impl FnMut(Complaint)) {
        if self.node_count == MAX_NODES {
            // Then it is [`Complaint::TooManyNodes`] that has told what there was no room for.
            return;
        }
        let mut told = [ProximityDomain::new(0); MAX_NODES];
        let mut count = 0;
        for domain in srat.entries().flatten().filter_map(enabled_domain) {
            let is_known = self.known_domains().binary_search(&domain).is_ok();
            if is_known || told.get(..count).is_some_and(|told| told.contains(&domain)) {
                continue;
            }
            let Some(slot) = told.get_mut(count) else {
                return;
            };
            *slot = domain;
            count += 1;
            complain(Complaint::UnusedDomain { domain });
        }
    }
}

/// The domain that an entry speaks of, if the entry counts.
fn enabled_domain(entry: SratEntry) -> Option<ProximityDomain> {
    match entry {
        SratEntry::Cpu { domain, enabled, .. } | SratEntry::Memory { domain, enabled, .. } => {
            enabled.then_some(domain)
        }
    }
}

/// An SRAT that is sound to its last entry.
fn checked_srat(bytes: &[u8]) -> Result<Srat<'_>, TableError> {
    let srat = Srat::new(bytes)?;
    srat.entries().try_for_each(|entry| entry.map(|_| ()))?;
    Ok(srat)
}

/// Enabled, or able to come later. Before revision 5 (ACPI 6.3) there was no flag for the latter, and
/// every listed CPU may come.
fn is_possible(entry: &MadtEntry, revision: u8) -> bool {
    entry.enabled || entry.online_capable || revision < 5
}

/// The id can be named in this mode, and does not mean everybody.
fn is_addressable(entry: &MadtEntry, mode: ApicMode) -> bool {
    !is_everybody(entry) && mode.can_address(entry.apic_id)
}

/// In an entry of this width, the id means all CPUs, or none in particular.
fn is_everybody(entry: &MadtEntry) -> bool {
    entry.apic_id.get() == if entry.x2apic { u32::MAX } else { 0xff }
}
