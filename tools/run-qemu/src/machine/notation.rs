//! How a machine is written on the command line. All of it can be typed without quotes.

use std::str::FromStr;

use super::cpus::CpuTopology;
use crate::status::{Failure, Result};

/// The least and the local distance of ACPI's SLIT.
const LOCAL_DISTANCE: u8 = 10;

/// CPUs of one node, and its memory in bytes if that was said.
pub type Node = (u32, Option<u64>);

/// `3+5` → three CPUs on node 0, five on node 1; `2:128M+2:0` → with 128 MiB, and without memory.
pub fn nodes(text: &str) -> Result<Vec<Node>> {
    let wrong = |part: &str| {
        Failure::usage(format!(
            "--nodes {text}: `{part}` is no node; write CPUs or CPUS:MEMORY, like 2+2, 2+0 or 2:128M+2:0"
        ))
    };
    let node = |part: &str| {
        let (cpus, memory) = match part.split_once(':') {
            Some((cpus, memory)) => (cpus, Some(bytes(memory).ok_or_else(|| wrong(part))?)),
            None => (part, None),
        };
        Ok((digits(cpus).ok_or_else(|| wrong(part))?, memory))
    };
    text.split('+').map(node).collect()
}

/// `512M`, `2G` or plain MiB → bytes, more than none.
pub fn memory(text: &str) -> Result<u64> {
    bytes(text)
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| Failure::usage(format!("--memory {text}: write it like 512M or 2G")))
}

/// `2x3x2` → sockets, cores of a socket, threads of a core.
pub fn topology(text: &str) -> Result<CpuTopology> {
    let parts: Option<Vec<u32>> = text
        .split('x')
        .map(|part| digits(part).filter(|count| *count > 0))
        .collect();
    match parts.as_deref() {
        Some(&[sockets, cores, threads]) => Ok(CpuTopology {
            sockets,
            cores,
            threads,
        }),
        _ => Err(Failure::usage(format!(
            "--topology {text}: write sockets x cores x threads, each at least 1, like 2x3x2"
        ))),
    }
}

/// `10,20/30,10` → the rows of the distance table, one for each node.
pub fn distances(text: &str, nodes: usize) -> Result<Vec<Vec<u8>>> {
    let refuse = |why: String| {
        Failure::usage(format!(
            "--distances {text}: {why}; write a row of distances for each node, like 10,20/30,10"
        ))
    };
    let number = |part: &str| {
        digits::<u8>(part)
            .filter(|distance| *distance >= LOCAL_DISTANCE)
            .ok_or_else(|| refuse(format!("`{part}` is no distance from 10 to 255")))
    };
    let row = |row: &str| row.split(',').map(number).collect::<Result<Vec<u8>>>();
    let rows = text.split('/').map(row).collect::<Result<Vec<_>>>()?;
    let square = rows.len() == nodes && rows.iter().all(|row| row.len() == nodes);
    if !square {
        return Err(refuse(format!("{nodes} node(s) need {nodes} row(s) of {nodes}")));
    }
    match (0..)
        .zip(&rows)
        .find(|(node, row)| row.get(*node) != Some(&LOCAL_DISTANCE))
    {
        Some((node, _)) => Err(refuse(format!("node {node} is at distance 10 from itself"))),
        None => Ok(rows),
    }
}

fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "M"),
    };
    let shift = match unit {
        "M" | "m" => 20,
        "G" | "g" => 30,
        _ => return None,
    };
    digits::<u64>(number)?.checked_mul(1 << shift)
}

/// Rust's own parser would take a sign too.
fn digits<N: FromStr>(text: &str) -> Option<N> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}
