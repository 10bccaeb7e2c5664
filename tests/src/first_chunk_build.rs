//! What building the first chunk costs: instructions from the shape to the last page given back, without filling
//! the units. Each possible CPU may cost the same bounded number of them, however many there are.

use std::time::Duration;

use run_qemu::{Machine, Prepared, Watch};

use crate::baseline::Counts;
use crate::first_chunk::FirstChunk;

/// Numbers of CPUs that are measured, ascending.
pub const CPUS: [u32; 4] = [1, 8, 64, 255];
/// Names begin so; behind it stands the number of CPUs.
pub const PREFIX: &str = "first-chunk-build-";
/// The boot CPU alone runs, so this is generous.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// Boots a machine for each number of CPUs, as far as the first chunk.
pub fn measure(prepared: &Prepared) -> Result<Counts, String> {
    CPUS.map(|cpus| Ok((format!("{PREFIX}{cpus}"), building(prepared, cpus)?)))
        .into_iter()
        .collect()
}

fn building(prepared: &Prepared, cpus: u32) -> Result<u64, String> {
    let machine = Machine {
        nodes: vec![cpus],
        append: format!("first_chunk_only {}", run_qemu::facts::WORD),
        icount: true,
        ..Machine::default()
    };
    let watch = Watch {
        echo: false,
        time_limit: Some(TIME_LIMIT),
    };
    let runs = prepared.runs(&["counter"]).map_err(|failure| failure.message)?;
    let transcript = prepared
        .boot(&machine, &runs, watch)
        .map_err(|failure| failure.message)?;
    let chunk = FirstChunk::read(&transcript.lines).map_err(|error| format!("{error}\n{transcript}"))?;
    Ok(chunk.cost.building_ticks)
}

/// Instructions that each further CPU costs, between one number of CPUs and the next, from 8 on: a single CPU
/// is built in another way.
pub fn per_cpu(counts: &Counts) -> Vec<u64> {
    let points = CPUS
        .iter()
        .filter_map(|cpus| Some((u64::from(*cpus), *counts.get(&format!("{PREFIX}{cpus}"))?)));
    let points: Vec<(u64, u64)> = points.skip(1).collect();
    let slope = |pair: &[(u64, u64)]| {
        pair[1]
            .1
            .saturating_sub(pair[0].1)
            .div_ceil(pair[1].0 - pair[0].0)
    };
    points.windows(2).map(slope).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_for_each_pair() {
        let counts = CPUS.map(|cpus| (format!("{PREFIX}{cpus}"), 500 + 100 * u64::from(cpus)));
        assert_eq!(per_cpu(&counts.into()), [100, 100]);
    }
}
