//! Taking the SLIT's distances over, if it makes sense for the nodes that there are.
//!
//! ACPI reserves 0 to 9 and gives 10 to a domain itself. 10 between two domains is told, but allowed here
//! (Linux on x86 throws such a table away): it is the only way to say that two nodes form one group (B5).
//! Directions may differ.
//!
//! Sources: T2; ACPI 6.5 section 5.2.17.

use super::{Complaint, Topology};
use crate::{LOCAL_DISTANCE, ProximityDomain, Slit};

impl Topology {
    /// Takes over the distances between the nodes that there are. Call after [`finish`](Self::finish).
    ///
    /// # Errors
    ///
    /// All or nothing: with [`Complaint::SlitIncomplete`] or [`Complaint::SlitImplausible`] the
    /// distances stay 10 and 20.
    pub fn set_distances(&mut self, slit: &Slit<'_>) -> Result<(), Complaint> {
        for (from, to) in self.node_pairs() {
            let (from, to) = (self.domain(from), self.domain(to));
            let localities = slit.localities();
            let distance =
                slit.distance(from, to)
                    .ok_or(Complaint::SlitIncomplete { from, to, localities })?;
            if distance < 10 || (from == to && distance != 10) {
                return Err(Complaint::SlitImplausible { from, to, distance });
            }
        }
        for (from, to) in self.node_pairs() {
            let distance = slit.distance(self.domain(from), self.domain(to)).unwrap_or(0);
            if let Some(told) = self.distances.get_mut(from).and_then(|row| row.get_mut(to)) {
                *told = distance;
            }
        }
        Ok(())
    }

    /// The first two nodes that are as near as one, in one direction or both, as something to tell.
    pub(super) fn remote_pair_at_10(&self) -> Option<Complaint> {
        let mut pairs = self
            .nodes()
            .flat_map(|from| self.nodes().map(move |to| (from, to)));
        let (from, to) =
            pairs.find(|(from, to)| from != to && self.distance(*from, *to) == LOCAL_DISTANCE)?;
        Some(Complaint::SlitRemoteAtTen {
            from: self.domain(from.index()),
            to: self.domain(to.index()),
        })
    }

    fn node_pairs(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let count = self.node_count;
        (0..count).flat_map(move |from| (0..count).map(move |to| (from, to)))
    }

    fn domain(&self, node: usize) -> ProximityDomain {
        self.known_domains().get(node).copied().unwrap_or_default()
    }
}
