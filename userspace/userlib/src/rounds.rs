//! What a bench prints of one measurement that it made many times over, and whether the rounds agree.
//!
//! A row is `bench NAME MEDIAN min MIN max MAX disturbed D rounds N`, and behind it what others need for the same. The
//! launcher reads rows (`--json`), and the tests compare their medians with a baseline.

use core::fmt;

use crate::checks::Checks;
use crate::println;

/// Instructions of a time slice under `--icount`: a millisecond. Each end of one disturbs a round.
const SLICE: u64 = 1_000_000;
/// Instructions around a round that belong to no round.
const AROUND: u64 = 64;

/// Many rounds of one measurement.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    /// The one in the middle.
    pub median: u64,
    min: u64,
    max: u64,
    /// Further from the median than `near`.
    disturbed: u64,
    rounds: u64,
    near: u64,
    total: u64,
}

impl Rounds {
    /// Of what each round cost, of which there is at least one. Costs that differ by up to `near` are the same; `total`
    /// is what all rounds took together, in instructions.
    pub fn of(costs: &mut [u32], near: u32, total: u64) -> Rounds {
        costs.sort_unstable();
        let [min, median, max] = [0, costs.len() / 2, costs.len() - 1].map(|index| costs[index]);
        let is_disturbed = |cost: &&u32| cost.abs_diff(median) > near;
        Rounds {
            median: median.into(),
            min: min.into(),
            max: max.into(),
            disturbed: costs.iter().filter(is_disturbed).count() as u64,
            rounds: costs.len() as u64,
            near: near.into(),
            total,
        }
    }

    /// A number that is known without rounds.
    #[must_use]
    pub const fn once(number: u64) -> Rounds {
        Rounds {
            median: number,
            min: number,
            max: number,
            disturbed: 0,
            rounds: 1,
            near: 0,
            total: 0,
        }
    }

    /// How many rounds differ.
    #[must_use]
    pub const fn disturbed(&self) -> u64 {
        self.disturbed
    }

    /// Prints the row.
    pub fn print(&self, name: &str, anchors: impl fmt::Display) {
        let Rounds { median, min, max, .. } = self;
        let (disturbed, rounds) = (self.disturbed, self.rounds);
        println!("bench {name} {median} min {min} max {max} disturbed {disturbed} rounds {rounds}{anchors}");
    }

    /// Checks that all rounds cost the same but those which a time slice ended. That holds where instructions are
    /// counted.
    pub fn check(&self, checks: &mut Checks, name: &str) {
        // The first slice and the last are cut off.
        let slices = (self.total + AROUND * self.rounds) / SLICE + 2;
        let holds = self.median - self.min <= self.near && self.disturbed <= 2 * slices + 1;
        let (disturbed, rounds) = (self.disturbed, self.rounds);
        checks.that(
            name,
            holds,
            format_args!("{disturbed} of {rounds} rounds differ, {slices} slices"),
        );
    }
}
