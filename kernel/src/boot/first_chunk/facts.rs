//! The first chunk for programs to read: `facts: NAME {…}`, one JSON object a line. Of names that come more
//! than once a reader makes a list. Sizes and distances are numbers, in bytes; addresses are strings in hex,
//! because many readers of JSON have no integers of 64 bits.

use core::fmt::{self, Display};

use percpu_core::{CpuId, Group, Topology};

use super::{Backing, FirstChunk, Why, address, kernel_part, template};
use crate::boot::accounting;
use crate::boot::options::{Options, Setup};
use crate::boot::{firmware, smp};
use crate::log;

impl FirstChunk {
    pub(super) fn print_facts(&self, topology: &Topology, options: &Options) {
        self.print_builder(options);
        self.print_sizes(options);
        for (index, group) in self.info.groups().enumerate() {
            let (offset, size) = (group.base_offset(), group.size());
            let units = units(group);
            log!(
                r#"facts: group {{"index":{index},"base_offset":{offset},"size":{size},"units":[{units}]}}"#
            );
        }
        for cpu in self.info.cpus() {
            self.print_cpu(cpu, topology);
        }
        for (start, size) in self.spare_ranges() {
            log!(r#"facts: given_back {{"phys":"{start:#x}","size":{size}}}"#);
        }
        for cpu in self.info.cpus() {
            address::borders(self, cpu).into_iter().for_each(print_address);
        }
        // The template itself is in no unit.
        let others = [template::range().start, 0, u64::MAX];
        others.into_iter().for_each(print_address);
        for node in topology.nodes() {
            let frames = accounting::of(node);
            log!(
                r#"facts: frames {{"node":{node},"at_boot":{},"free":{},"units":{},"tables":{},"heap":{}}}"#,
                frames.at_boot,
                frames.free,
                frames.units,
                frames.tables,
                frames.heap
            );
        }
    }

    fn print_builder(&self, options: &Options) {
        let builder = match self.backing {
            Backing::Linear => "embed",
            Backing::Pages(_) => "page",
            Backing::Template => "up",
        };
        let setup = match options.percpu_setup {
            Setup::X86 => "x86",
            Setup::Generic => "generic",
        };
        let (asked, why) = (options.percpu_alloc.name(), self.why);
        log!(r#"facts: builder {{"name":"{builder}","asked":"{asked}","setup":"{setup}","why":"{why}"}}"#);
        let (building, filling) = (self.cost.building, self.cost.filling);
        log!(r#"facts: cost {{"building_ticks":{building},"filling_ticks":{filling}}}"#);
    }

    fn print_sizes(&self, options: &Options) {
        let (info, template) = (&self.info, template::range());
        log!(
            r#"facts: sizes {{"static_size":{},"reserved_size":{},"dyn_size":{},"unit_size":{},"alloc_size":{},"atom_size":{},"units_per_alloc":{},"kernel_part":{}}}"#,
            info.static_size(),
            info.reserved_size(),
            info.dyn_size(),
            info.unit_size(),
            info.alloc_size(),
            info.atom_size(),
            info.units_per_alloc(),
            kernel_part(info, options)
        );
        log!(
            r#"facts: place {{"base":"{:#x}","max_distance":{},"span_limit":{},"template_start":"{:#x}","template_end":"{:#x}"}}"#,
            self.base,
            self.max_distance,
            options.percpu_span_limit,
            template.start,
            template.end
        );
    }

    fn print_cpu(&self, cpu: CpuId, topology: &Topology) {
        log!(
            r#"facts: cpu {{"cpu":{cpu},"apic":{},"node":{},"present":{},"unit_index":{},"unit_offset":{},"unit_base":"{:#x}","phys":"{:#x}","gs_base":"{:#x}","remote_pages":{}}}"#,
            topology.apic_id(cpu).expect("a possible CPU").get(),
            topology.node_of_cpu(cpu).expect("a possible CPU"),
            topology.is_present(cpu),
            self.info.unit_index(cpu).expect("a possible CPU"),
            self.offset(cpu),
            self.unit(cpu),
            self.frame(cpu, 0).address(),
            self.delta(cpu),
            self.remote_pages(cpu, topology)
        );
    }
}

/// The CPUs that reported, once all had the time to.
pub fn print_online() {
    let topology = firmware::topology();
    for cpu in topology.cpus().filter(|cpu| smp::is_online(*cpu)) {
        log!(r#"facts: online {{"cpu":{cpu}}}"#);
    }
}

fn print_address(address: u64) {
    let phys = or_null(address::per_cpu_ptr_to_phys(address).map(hex));
    let found = address::percpu_address(address);
    let is_percpu = found.is_some();
    let owner = or_null(found.map(|found| found.cpu));
    let canonical = or_null(found.map(|found| hex(found.canonical)));
    log!(
        r#"facts: address {{"address":"{address:#x}","is_percpu":{is_percpu},"static_of":{owner},"canonical":{canonical},"phys":{phys}}}"#
    );
}

fn hex(address: u64) -> impl Display {
    fmt::from_fn(move |f| write!(f, "\"{address:#x}\""))
}

fn or_null(value: Option<impl Display>) -> impl Display {
    fmt::from_fn(move |f| match &value {
        Some(value) => write!(f, "{value}"),
        None => write!(f, "null"),
    })
}

fn units(group: Group<'_>) -> impl Display {
    fmt::from_fn(move |f| {
        let mut comma = "";
        for unit in group.cpu_map() {
            write!(f, "{comma}{}", or_null(unit))?;
            comma = ",";
        }
        Ok(())
    })
}

impl Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Default => write!(f, "nothing else was asked for"),
            Why::Named => write!(f, "asked for"),
            Why::OneCpu => write!(f, "one possible CPU"),
            Why::Refused(error) => write!(f, "embedding was refused ({error})"),
        }
    }
}
