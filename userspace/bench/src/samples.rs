//! Many rounds of one measurement, and what is printed of them.

use userlib::checks::Checks;
use userlib::rounds::Rounds;
use userlib::{mark, println};

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
    /// What a reading of something says of it.
    pub fn without_empty(&self, whole: u64) -> u64 {
        whole.saturating_sub(self.empty)
    }

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
    /// What it is measured with.
    pub watch: Stopwatch,
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
        let total = self.take(rounds, parts, &mut round);
        let rounds = self.row(name, (rounds, parts), total);
        if self.watch.is_exact {
            rounds.check(checks, name);
        }
    }

    /// The same for an operation whose rounds are not alike, and why they are not: that is printed instead of checked.
    pub fn measure_varying(
        &mut self,
        name: &'static str,
        rounds: usize,
        why: &str,
        mut round: impl FnMut() -> u64,
    ) {
        let total = self.take(rounds, 1, &mut round);
        self.row(name, (rounds, 1), total);
        println!("bench {name} varies: {why}");
    }

    /// Measures the rounds, and gives back the sum of what they cost.
    fn take(&mut self, rounds: usize, parts: u64, round: &mut impl FnMut() -> u64) -> u64 {
        let mut total: u64 = 0;
        mark::row();
        for sample in &mut self.rounds[..rounds] {
            let whole = self.watch.without_empty(round());
            let cost = whole / parts;
            *sample = u32::try_from(cost).unwrap_or(u32::MAX);
            total = total.saturating_add(whole);
        }
        mark::rest();
        total
    }

    /// Prints a row of costs that were measured elsewhere; how many differ from the median.
    pub fn report(&mut self, name: &'static str, costs: impl Iterator<Item = u32>, parts: u64) -> u64 {
        let mut rounds = 0;
        for (sample, cost) in self.rounds.iter_mut().zip(costs) {
            *sample = cost;
            rounds += 1;
        }
        self.row(name, (rounds, parts), 0).disturbed()
    }

    /// Prints the row of these rounds.
    fn row(&mut self, name: &'static str, (rounds, parts): (usize, u64), total: u64) -> Rounds {
        // A quotient's last digit hangs on a handful of instructions in the whole.
        let rounds = Rounds::of(&mut self.rounds[..rounds], u32::from(parts > 1), total);
        rounds.print(name, format_args!(" parts {parts}{}", anchors::of(name)));
        rounds
    }
}
