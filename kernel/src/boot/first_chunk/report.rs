//! What the log says of the first chunk: Linux's lines, then where each group and each unit lies.

use core::fmt::{self, Display};

use percpu_core::{CpuId, Group, PAGE_SIZE, Topology};

use super::{Backing, FirstChunk, template};
use crate::boot::options::{Options, Setup};
use crate::log;

impl FirstChunk {
    pub(super) fn report(&self, topology: &Topology, options: &Options) {
        match self.backing {
            Backing::Linear => log!("percpu: {}", self.info.embed_report()),
            Backing::Pages(_) => log!("percpu: {}", self.info.page_report()),
            Backing::Template => {
                let (dynamic, unit) = (self.info.dyn_size(), self.info.unit_size());
                log!("percpu: UP, the template is the copy, s0 r0 d{dynamic} u{unit}")
            }
        }
        if options.debug {
            log!("{}", self.info.layout());
        }
        let template = template::range();
        log!("percpu: template {:#x}-{:#x}", template.start, template.end);
        for (index, group) in self.info.groups().enumerate() {
            log!(
                "percpu: group {index} base_offset {:#x} units{}",
                group.base_offset(),
                units(group)
            );
        }
        for cpu in self.info.cpus() {
            self.report_unit(cpu, topology);
            // Where memory comes from anywhere there is nothing to be surprised at.
            if options.percpu_setup == Setup::X86 {
                self.report_remote_pages(cpu, topology);
            }
        }
    }

    fn report_unit(&self, cpu: CpuId, topology: &Topology) {
        let apic = topology.apic_id(cpu).expect("a possible CPU").get();
        let node = topology.node_of_cpu(cpu).expect("a possible CPU");
        log!(
            "percpu: cpu {cpu} apic {apic} node {node} unit_base {:#x} phys {:#x} gs_base {:#x}",
            self.unit(cpu),
            self.frame(cpu, 0).address(),
            self.delta(cpu)
        );
    }

    fn report_remote_pages(&self, cpu: CpuId, topology: &Topology) {
        let (remote, all) = (self.remote_pages(cpu, topology), self.info.size_sum() / PAGE_SIZE);
        if remote > 0 {
            log!("percpu: cpu {cpu}: {remote} of {all} pages of its unit are remote");
        }
    }

    /// How many of a unit's pages lie on another node than its CPU's.
    pub(super) fn remote_pages(&self, cpu: CpuId, topology: &Topology) -> u64 {
        let node = topology.node_of_cpu(cpu);
        let is_remote = |page: &u64| {
            let there = topology.node_of_address(self.frame(cpu, *page).address());
            there.is_some() && there != node
        };
        (0..self.info.size_sum() / PAGE_SIZE).filter(is_remote).count() as u64
    }
}

/// ` 0 1 -`: what each unit of a group is for.
fn units(group: Group<'_>) -> impl Display {
    fmt::from_fn(move |f| {
        group.cpu_map().try_for_each(|unit| match unit {
            Some(cpu) => write!(f, " {cpu}"),
            None => write!(f, " -"),
        })
    })
}
