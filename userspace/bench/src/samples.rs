//! Many rounds of one measurement, and what is printed of them.

use userlib::checks::Checks;
use userlib::rounds::Rounds;

use crate::anchors;
use crate::stopwatch;

/// Measured rounds.
const ROUNDS: usize = 4096;

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
    pub fn measure(&mut self, checks: &mut Checks, name: &'static str, round: impl FnMut() -> u64) {
        self.measure_parts(checks, name, (ROUNDS, 1), round);
    }

    /// The same with so many rounds (at most [`ROUNDS`]) of so many equal parts; the row says what one part costs.
    pub fn measure_parts(
        &mut self,
        checks: &mut Checks,
        name: &'static str,
        (rounds, parts): (usize, u64),
        mut round: impl FnMut() -> u64,
    ) {
        let mut total: u64 = 0;
        let samples = &mut self.rounds[..rounds];
        for sample in &mut *samples {
            let whole = round().saturating_sub(self.watch.empty);
            let cost = whole / parts;
            *sample = u32::try_from(cost).unwrap_or(u32::MAX);
            total = total.saturating_add(whole);
        }
        // A quotient's last digit hangs on a handful of instructions in the whole.
        let rounds = Rounds::of(samples, u32::from(parts > 1), total);
        rounds.print(name, anchors::of(name));
        if self.watch.is_exact {
            rounds.check(checks, name);
        }
    }
}
