//! The steady pair: 64 areas of one size live, the oldest is freed and another one taken.

use std::hint::black_box;

use percpu_core::{AreaNeed, AreaOf, AreaRequest, Part, Reach, Request};

use crate::{
    Failure,
    machine::{Memory, Whole, boot},
    workload::Workload,
};

const LIVE: usize = 64;

/// Each area is freed and taken again twice: the pattern repeats itself after [`LIVE`] pairs.
const PAIRS: u64 = 2 * LIVE as u64;

/// Bytes of an area.
const SIZES: [usize; 3] = [8, 64, 1024];

/// Units that are cleared.
const CLEARED: [usize; 3] = [0, 4, 64];

fn name(size: usize, cleared: usize) -> String {
    match cleared {
        0 => format!("pair {size} B"),
        cpus => format!("pair {size} B, cleared on {cpus} CPUs"),
    }
}

fn all() -> impl Iterator<Item = (usize, usize)> {
    CLEARED
        .into_iter()
        .flat_map(|cleared| SIZES.map(|size| (size, cleared)))
}

pub fn names() -> Vec<String> {
    all().map(|(size, cleared)| name(size, cleared)).collect()
}

pub fn prepare(wanted: &str) -> Result<Workload, Failure> {
    let found = all().find(|(size, cleared)| name(*size, *cleared) == wanted);
    let (size, cleared) = found.ok_or_else(|| format!("no workload {wanted}"))?;
    // What Linux's shape gives for 4 CPUs, and for 64 on one node.
    let unit_size = if cleared == 64 { 256 << 10 } else { 512 << 10 };
    let request = Request {
        need: AreaNeed::checked(AreaRequest { size, align: 8 })?,
        reach: Reach::AllPages,
        part: Part::Dynamic,
    };
    let mut allocator = boot(unit_size)?;
    let taken: Result<Vec<AreaOf>, _> = (0..LIVE).map(|_| allocator.allocate(request)).collect();
    let mut live: [AreaOf; LIVE] = taken?.try_into().map_err(|_| "too few areas")?;
    let mut memory = Memory::new(unit_size, cleared, 4);
    let mut oldest = 0;
    let pair = move || {
        let area = &mut live[oldest % LIVE];
        oldest += 1;
        pair(&mut allocator, area, request);
        if cleared != 0 {
            memory.clear(*area);
        }
    };
    Ok(steady(pair))
}

/// Past the beginning, then the counted pairs.
fn steady(mut pair: impl FnMut() + 'static) -> Workload {
    (0..4 * LIVE).for_each(|_| pair());
    Workload {
        operations: PAIRS,
        work: Box::new(move || (0..PAIRS).for_each(|_| pair())),
    }
}

/// Frees the oldest area; the new one takes its place.
fn pair(allocator: &mut Whole, area: &mut AreaOf, request: Request) {
    black_box(allocator.release(area.chunk, area.area.offset)).expect("it is live");
    *area = black_box(allocator.allocate(request)).expect("there is room again");
}
