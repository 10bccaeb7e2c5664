//! What one thread does: make a region, find it clear, write, find what it wrote, destroy it.

use userlib::abi::PAGE_SIZE;
use userlib::abi::percpu::PercpuError;
use userlib::cell::Offset;
use userlib::percpu::{Error, Populate, Region};
use userlib::{PerCpuCell, thread};

/// Most pages of a region.
const MOST_PAGES: u64 = 4;

/// Where a region's pages come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The first chunk's reserved pages.
    Reserved,
    /// Dynamic pages.
    Dynamic,
    /// Dynamic pages, in two steps.
    PopulatedLater,
}

/// So many rounds; gives back how many values were not what they had to be.
pub fn churn(kind: Kind, seed: u64, rounds: u64) -> Result<u64, Error> {
    let mut random = Random(seed);
    let mut strange = 0;
    for _ in 0..rounds {
        let pages = 1 + random.next() % MOST_PAGES;
        match make(kind, pages) {
            Ok(region) => {
                strange += use_up(&region, &mut random);
                region.destroy()?;
            }
            // The others hold the rest at this moment.
            Err(Error::Refused(
                PercpuError::QuotaExceeded { .. } | PercpuError::ReservedExhausted { .. },
            )) => {
                thread::yield_now();
            }
            Err(error) => return Err(error),
        }
    }
    Ok(strange)
}

fn make(kind: Kind, pages: u64) -> Result<Region, Error> {
    let bytes = pages * PAGE_SIZE;
    match kind {
        Kind::Reserved => Region::reserve(bytes, 0),
        Kind::Dynamic => Region::create(bytes, Populate::All, "churn"),
        Kind::PopulatedLater => {
            let region = Region::create(bytes, Populate::None, "churn")?;
            let both = region
                .populate(pages / 2, 1)
                .and_then(|()| region.populate(0, pages));
            match both {
                Ok(()) => Ok(region),
                Err(error) => {
                    region.destroy()?;
                    Err(error)
                }
            }
        }
    }
}

/// Writes a word in every page, each on some CPU, and counts the values that are not right.
fn use_up(region: &Region, random: &mut Random) -> u64 {
    let mut strange = 0;
    let at = random.next() % (PAGE_SIZE / 8) * 8;
    let mark = random.next() | 1;
    let cells = || (0..region.pages()).filter_map(|page| region.cell::<u64>(page * PAGE_SIZE + at));
    for cell in cells() {
        strange += u64::from(cell.iter().any(|value| value != 0));
        cell.add(mark);
        if random.next().is_multiple_of(4) {
            thread::yield_now();
        }
    }
    let is_right = |cell: &PerCpuCell<u64, Offset<'_>>| {
        let holders = cell.iter().filter(|value| *value == mark).count();
        cell.sum() == mark && holders == 1
    };
    strange + cells().filter(|cell| !is_right(cell)).count() as u64
}

/// A sequence that looks random enough (SplitMix64, by Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}
