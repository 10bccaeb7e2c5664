//! The kernel's facts about its first chunk, as it tells them to programs.

use serde::{Deserialize, Deserializer};

use crate::words::number;

/// In the report of units made of single pages, behind their number.
const SINGLE_PAGES: &str = " 4K pages/cpu ";
const PREFIX: &str = "percpu: ";

/// Everything that the kernel tells about its first chunk.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FirstChunk {
    /// Who built it.
    pub builder: Builder,
    /// What it cost, in time stamps.
    pub cost: Cost,
    /// How large its parts are.
    pub sizes: Sizes,
    /// Where it lies.
    pub place: Place,
    /// Groups, in order.
    pub groups: Vec<Group>,
    /// Possible CPUs, in order.
    pub cpus: Vec<Cpu>,
    /// Physical memory that went back.
    pub given_back: Vec<Range>,
    /// What the kernel says of addresses in it and beside it.
    pub addresses: Vec<Address>,
    /// Where each node's frames are.
    pub frames: Vec<Frames>,
    /// CPUs that reported.
    pub online: Vec<Online>,
    /// The line that Linux prints too, without its prefix.
    #[serde(skip)]
    pub report: String,
}

/// Who built the first chunk.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Builder {
    /// `embed`, `page` or `up`.
    pub name: String,
    /// What was asked for, or `auto`.
    pub asked: String,
    /// `x86` or `generic`.
    pub setup: String,
    /// Why this one.
    pub why: String,
}

/// Time stamps; instructions, where the machine counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Cost {
    /// All but filling.
    pub building_ticks: u64,
    /// Clearing the units and copying the template.
    pub filling_ticks: u64,
}

/// Bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Sizes {
    /// Static part.
    pub static_size: u64,
    /// Reserved part.
    pub reserved_size: u64,
    /// Dynamic part.
    pub dyn_size: u64,
    /// Unit.
    pub unit_size: u64,
    /// One request for memory.
    pub alloc_size: u64,
    /// Granularity of requests.
    pub atom_size: u64,
    /// Units of one request; a number.
    pub units_per_alloc: u64,
    /// What the kernel keeps of the dynamic part.
    pub kernel_part: u64,
}

/// Where the chunk and the template are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Place {
    /// Address of the lowest unit.
    #[serde(deserialize_with = "address")]
    pub base: u64,
    /// Bytes from there to the end of the group that starts highest.
    pub max_distance: u64,
    /// Of which three quarters are allowed.
    pub span_limit: u64,
    /// Link address of the template.
    #[serde(deserialize_with = "address")]
    pub template_start: u64,
    /// And of its end.
    #[serde(deserialize_with = "address")]
    pub template_end: u64,
}

/// One group of units.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Group {
    /// Its place in the list.
    pub index: u64,
    /// Distance from the chunk base.
    pub base_offset: u64,
    /// Bytes.
    pub size: u64,
    /// Whose each unit is; nothing for filler.
    pub units: Vec<Option<u64>>,
}

/// One CPU's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Cpu {
    /// The dense number.
    pub cpu: u64,
    /// Hardware's number.
    pub apic: u64,
    /// The node.
    pub node: u64,
    /// Whether it can be started now.
    pub present: bool,
    /// Which unit, fillers counted too.
    pub unit_index: u64,
    /// Distance from the chunk base.
    pub unit_offset: u64,
    /// Virtual address of the unit.
    #[serde(deserialize_with = "address")]
    pub unit_base: u64,
    /// Physical address of the unit's first page.
    #[serde(deserialize_with = "address")]
    pub phys: u64,
    /// What the kernel put into the GS base.
    #[serde(deserialize_with = "address")]
    pub gs_base: u64,
    /// Pages of the unit that lie on another node.
    pub remote_pages: u64,
}

/// Physical memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Range {
    /// Its first byte.
    #[serde(deserialize_with = "address")]
    pub phys: u64,
    /// Bytes.
    pub size: u64,
}

/// What the kernel says of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Address {
    /// Which.
    #[serde(deserialize_with = "address")]
    pub address: u64,
    /// Whether a static part holds it.
    pub is_percpu: bool,
    /// The CPU whose static part that is.
    pub static_of: Option<u64>,
    /// Then the same variable's address on the boot CPU.
    #[serde(deserialize_with = "maybe_address")]
    pub canonical: Option<u64>,
    /// What it stands for, in any unit's used part.
    #[serde(deserialize_with = "maybe_address")]
    pub phys: Option<u64>,
}

/// Frames of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Frames {
    /// Which.
    pub node: u64,
    /// What there was when the kernel took over.
    pub at_boot: u64,
    /// Free.
    pub free: u64,
    /// In units.
    pub units: u64,
    /// In the kernel's page table.
    pub tables: u64,
    /// In the kernel's heap.
    pub heap: u64,
}

/// A CPU that reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Online {
    /// Which.
    pub cpu: u64,
}

impl FirstChunk {
    /// Read the facts out of a boot log.
    pub fn read<T: AsRef<str>>(log: &[T]) -> Result<Self, String> {
        let facts = run_qemu::facts::collect(log).map_err(|failure| failure.message)?;
        let facts = facts.ok_or("the kernel tells no facts")?;
        let mut chunk: FirstChunk =
            serde_json::from_value(facts).map_err(|error| format!("facts: {error}"))?;
        let lines = log
            .iter()
            .filter_map(|line| line.as_ref().trim().strip_prefix(PREFIX));
        let reports: Vec<&str> = lines.filter(|line| is_report(line)).collect();
        let [report] = reports[..] else {
            return Err(format!(
                "{} lines report the first chunk, one was expected",
                reports.len()
            ));
        };
        chunk.report = report.to_string();
        Ok(chunk)
    }

    /// Bytes of a unit that did not go back: of single pages, all.
    pub fn kept_bytes(&self) -> u64 {
        match self.builder.name.as_str() {
            "page" => self.sizes.unit_size,
            _ => self.size_sum(),
        }
    }

    /// Bytes of a unit that are used.
    pub fn size_sum(&self) -> u64 {
        self.sizes.static_size + self.sizes.reserved_size + self.sizes.dyn_size
    }
}

fn is_report(line: &str) -> bool {
    line.starts_with("Embedded ") || line.contains(SINGLE_PAGES) || line.starts_with("UP, ")
}

fn address<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let text = String::deserialize(from)?;
    number(&text).map_err(serde::de::Error::custom)
}

fn maybe_address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.map(|text| number(&text))
        .transpose()
        .map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: [&str; 8] = [
        "percpu: Embedded 40 pages/cpu s4096 r131072 d28672 u1048576",
        r#"facts: builder {"name":"embed","asked":"auto","setup":"x86","why":"asked for"}"#,
        r#"facts: cost {"building_ticks":1,"filling_ticks":2}"#,
        r#"facts: sizes {"static_size":4096,"reserved_size":131072,"dyn_size":28672,"unit_size":1048576,"alloc_size":2097152,"atom_size":2097152,"units_per_alloc":2,"kernel_part":16384}"#,
        r#"facts: place {"base":"0xffff800001000000","max_distance":2097152,"span_limit":549755813888,"template_start":"0xffffffff80236000","template_end":"0xffffffff80237000"}"#,
        r#"facts: group {"index":0,"base_offset":0,"size":2097152,"units":[0,null]}"#,
        r#"facts: address {"address":"0xffff800000ffffff","is_percpu":false,"static_of":null,"canonical":null,"phys":null}"#,
        r#"facts: cpu {"cpu":0,"apic":0,"node":0,"present":true,"unit_index":0,"unit_offset":0,"unit_base":"0xffff800001000000","phys":"0x1000000","gs_base":"0xffff800080dca000","remote_pages":0}"#,
    ];

    #[test]
    fn the_facts_are_read() {
        let chunk = FirstChunk::read(&LOG).unwrap();
        assert_eq!(chunk.size_sum(), 40 * 4096);
        assert_eq!(chunk.groups[0].units, [Some(0), None]);
        assert_eq!(chunk.cpus[0].unit_base, 0xffff_8000_0100_0000);
        assert_eq!(chunk.addresses[0].phys, None);
        assert_eq!(
            chunk.report,
            "Embedded 40 pages/cpu s4096 r131072 d28672 u1048576"
        );
        assert!(chunk.given_back.is_empty());
    }

    #[test]
    fn facts_that_lack_something_are_refused() {
        for missing in &LOG[..5] {
            let log: Vec<&str> = LOG.into_iter().filter(|line| line != missing).collect();
            assert!(FirstChunk::read(&log).is_err(), "without {missing}");
        }
    }
}
