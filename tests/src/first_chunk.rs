//! The kernel's report of its first chunk, as it stands in the boot log.

use std::ops::Range;

use crate::words::{number, number_after};

const PREFIX: &str = "percpu: ";
/// In the report of units made of single pages, behind their number.
const SINGLE_PAGES: &str = " 4K pages/cpu ";
const PAGE: u64 = 4096;

/// Everything that the kernel reports about its first chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstChunk {
    /// The line that Linux prints too, without its prefix: of an embedded first chunk or one of single pages.
    pub embedded: String,
    /// The same in numbers.
    pub sizes: SizeReport,
    /// Link addresses of the template.
    pub template: Range<u64>,
    /// Groups, in order.
    pub groups: Vec<Group>,
    /// CPUs, in order.
    pub cpus: Vec<Cpu>,
}

/// `s… r… d… u…`, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeReport {
    /// Static part.
    pub static_size: u64,
    /// Reserved part.
    pub reserved_size: u64,
    /// Dynamic part.
    pub dyn_size: u64,
    /// Unit.
    pub unit_size: u64,
}

/// One group of units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Distance from the chunk base.
    pub base_offset: u64,
    /// Whose each unit is; nothing for filler.
    pub units: Vec<Option<u64>>,
}

/// One CPU's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpu {
    /// The dense number.
    pub cpu: u64,
    /// Hardware's number.
    pub apic: u64,
    /// The node.
    pub node: u64,
    /// Virtual address of the unit.
    pub unit_base: u64,
    /// Physical address of the unit.
    pub phys: u64,
    /// What the kernel put into the GS base.
    pub gs_base: u64,
}

impl FirstChunk {
    /// Read the report out of a boot log.
    pub fn read<T: AsRef<str>>(log: &[T]) -> Result<Self, String> {
        let lines = log
            .iter()
            .filter_map(|line| line.as_ref().trim().strip_prefix(PREFIX));
        let lines: Vec<&str> = lines.collect();
        let starting = |word: &str| {
            let start = format!("{word} ");
            lines
                .iter()
                .copied()
                .filter(move |line| line.starts_with(&start))
                .collect::<Vec<_>>()
        };
        let only = |word: &str| match starting(word)[..] {
            [line] => Ok(line),
            ref lines => Err(format!(
                "{} lines start with `{PREFIX}{word}`, one was expected",
                lines.len()
            )),
        };
        let reports: Vec<&str> = lines.iter().copied().filter(is_report).collect();
        let [embedded] = reports[..] else {
            return Err(format!(
                "{} lines report pages/cpu, one was expected",
                reports.len()
            ));
        };
        let groups = starting("group");
        let groups = groups
            .iter()
            .enumerate()
            .map(|(index, line)| group(index as u64, line));
        Ok(Self {
            embedded: embedded.to_string(),
            sizes: sizes(embedded)?,
            template: template(only("template")?)?,
            groups: groups.collect::<Result<_, _>>()?,
            cpus: starting("cpu")
                .into_iter()
                .filter(is_unit)
                .map(cpu)
                .collect::<Result<_, _>>()?,
        })
    }
}

fn is_report(line: &&str) -> bool {
    line.starts_with("Embedded ") || line.contains(SINGLE_PAGES)
}

fn sizes(line: &str) -> Result<SizeReport, String> {
    let size = |letter: char| {
        let mut words = line
            .split_whitespace()
            .filter_map(|word| word.strip_prefix(letter));
        let found = words.find_map(|digits| digits.parse().ok());
        found.ok_or_else(|| format!("no `{letter}<bytes>` in `{line}`"))
    };
    Ok(SizeReport {
        static_size: size('s')?,
        reserved_size: size('r')?,
        dyn_size: size('d')?,
        unit_size: match line.split_once(SINGLE_PAGES) {
            Some((pages, _)) => number(pages)? * PAGE,
            None => size('u')?,
        },
    })
}

fn template(line: &str) -> Result<Range<u64>, String> {
    let range = line
        .strip_prefix("template ")
        .and_then(|rest| rest.trim().split_once('-'));
    let (start, end) = range.ok_or_else(|| format!("no `0x…-0x…` in `{line}`"))?;
    Ok(number(start)?..number(end)?)
}

fn group(index: u64, line: &str) -> Result<Group, String> {
    if number_after(line, "group")? != index {
        return Err(format!("group {index} was expected, not `{line}`"));
    }
    let units = line
        .split_whitespace()
        .skip_while(|word| *word != "units")
        .skip(1);
    let units = units.map(|word| match word {
        "-" => Ok(None),
        word => number(word).map(Some),
    });
    Ok(Group {
        base_offset: number_after(line, "base_offset")?,
        units: units.collect::<Result<_, _>>()?,
    })
}

/// There are other things to say about a CPU.
fn is_unit(line: &&str) -> bool {
    line.contains(" unit_base ")
}

fn cpu(line: &str) -> Result<Cpu, String> {
    Ok(Cpu {
        cpu: number_after(line, "cpu")?,
        apic: number_after(line, "apic")?,
        node: number_after(line, "node")?,
        unit_base: number_after(line, "unit_base")?,
        phys: number_after(line, "phys")?,
        gs_base: number_after(line, "gs_base")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: [&str; 8] = [
        "selion: hello",
        "percpu: Embedded 41 pages/cpu s12288 r131072 d24576 u1048576",
        "percpu: template 0xffffffff80400000-0xffffffff80403000",
        "percpu: group 0 base_offset 0x0 units 0 -",
        "percpu: group 1 base_offset 0x10000000 units 1 2",
        "percpu: cpu 0 apic 0 node 0 unit_base 0xffff800000200000 phys 0x200000 gs_base 0x7fff80000",
        "percpu: cpu 0: no memory on its node, its unit is remote",
        "cpu 0 online",
    ];

    #[test]
    fn the_report_is_read() {
        let chunk = FirstChunk::read(&LOG).unwrap();
        assert_eq!(chunk.sizes.reserved_size, 131072);
        assert_eq!(chunk.sizes.unit_size, 1 << 20);
        assert_eq!(chunk.template, 0xffff_ffff_8040_0000..0xffff_ffff_8040_3000);
        assert_eq!(chunk.groups[0].units, [Some(0), None]);
        assert_eq!(
            chunk.groups[1],
            Group {
                base_offset: 0x1000_0000,
                units: vec![Some(1), Some(2)]
            }
        );
        assert_eq!(chunk.cpus.len(), 1);
        assert_eq!(chunk.cpus[0].phys, 0x20_0000);
    }

    #[test]
    fn units_of_single_pages_are_read() {
        let log = LOG.map(|line| match line.contains("Embedded") {
            true => "percpu: 38 4K pages/cpu s4096 r131072 d20480",
            false => line,
        });
        let sizes = FirstChunk::read(&log).unwrap().sizes;
        assert_eq!(sizes.dyn_size, 20480);
        assert_eq!(sizes.unit_size, 38 * 4096);
    }

    #[test]
    fn a_report_that_lacks_something_is_refused() {
        for missing in [1, 2] {
            let mut log = LOG.to_vec();
            log.remove(missing);
            assert!(FirstChunk::read(&log).is_err());
        }
        let broken = LOG.map(|line| line.strip_suffix(" gs_base 0x7fff80000").unwrap_or(line));
        assert!(FirstChunk::read(&broken).is_err());
        let swapped = LOG.map(|line| {
            if line.contains("group 1") {
                "percpu: group 2 units 1"
            } else {
                line
            }
        });
        assert!(FirstChunk::read(&swapped).is_err());
    }
}
