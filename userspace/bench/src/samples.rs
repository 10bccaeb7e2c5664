//! Many rounds of one measurement, and what is printed of them.

use userlib::checks::Checks;
use userlib::println;

use crate::anchors;
use crate::stopwatch;

/// Measured rounds.
const ROUNDS: usize = 4096;
/// Instructions of a time slice under `--icount`: a millisecond. Each end of one disturbs a round.
const SLICE: u64 = 1_000_000;

/// What a reading of nothing costs, and whether the counter counts instructions.
#[derive(Clone, Copy)]
pub struct Stopwatch {
    /// A thousand instructions read a thousand more than none.
    pub is_exact: bool,
    empty: u64,
}

impl Stopwatch {
    /// Tries it out. A reading can be disturbed, which only makes it longer.
    pub fn find() -> Stopwatch {
        let least = |reading: fn() -> u64| (0..9).map(|_| reading()).min().unwrap_or(0);
        let empty = least(stopwatch::empty);
        Stopwatch {
            is_exact: least(stopwatch::thousand) == empty + 1000,
            empty,
        }
    }
}

/// Room for one measurement.
pub struct Samples {
    watch: Stopwatch,
    rounds: [u32; ROUNDS],
}

impl Samples {
    /// Nothing measured yet.
    pub fn new(watch: Stopwatch) -> Samples {
        Samples {
            watch,
            rounds: [0; ROUNDS],
        }
    }

    /// Measures, prints the row, and checks that all rounds but those which a slice ended cost the same.
    pub fn measure(&mut self, checks: &mut Checks, name: &'static str, round: impl Fn() -> u64) {
        let mut total: u64 = 0;
        for sample in &mut self.rounds {
            let cost = round().saturating_sub(self.watch.empty);
            *sample = u32::try_from(cost).unwrap_or(u32::MAX);
            total = total.saturating_add(cost);
        }
        self.rounds.sort_unstable();
        let [min, median, max] = [0, ROUNDS / 2, ROUNDS - 1].map(|index| self.rounds[index]);
        let disturbed = self.rounds.iter().filter(|sample| **sample != median).count() as u64;
        println!(
            "bench {name} {median} min {min} max {max} disturbed {disturbed} rounds {ROUNDS}{}",
            anchors::of(name)
        );
        if self.watch.is_exact {
            // The rounds' own instructions, and a few around each.
            let slices = (total + 64 * ROUNDS as u64) / SLICE + 1;
            let holds = min == median && disturbed <= 2 * slices;
            checks.that(
                name,
                holds,
                format_args!("{disturbed} of {ROUNDS} rounds differ, {slices} slices"),
            );
        }
    }
}
