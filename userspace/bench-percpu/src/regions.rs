//! What the percpu server costs: a region made and given back, one round trip each. Names say how many pages of each
//! unit.

use userlib::abi::PAGE_SIZE;
use userlib::percpu::{self, Error, Populate, Region};
use userlib::rounds::Rounds;
use userlib::thread;

use crate::clock;

/// Measured rounds of each row.
const ROUNDS: usize = 65;

/// What is made and given back: the row of each, the pages, and how they are populated.
type Pair = ([&'static str; 2], u64, Populate);

const PAIRS: [Pair; 6] = [
    (["create-none-1-page", "destroy-none-1-page"], 1, Populate::None),
    (
        ["create-on-touch-1-page", "destroy-on-touch-1-page"],
        1,
        Populate::OnTouch,
    ),
    (["create-1-page", "destroy-1-page"], 1, Populate::All),
    (["create-none-8-pages", "destroy-none-8-pages"], 8, Populate::None),
    (
        ["create-on-touch-8-pages", "destroy-on-touch-8-pages"],
        8,
        Populate::OnTouch,
    ),
    (["create-8-pages", "destroy-8-pages"], 8, Populate::All),
];

/// What each round cost, until it is known how often that was the same.
struct Costs([u32; ROUNDS]);

impl Costs {
    fn report(&mut self, name: &str) {
        let rounds = self.rounds();
        crate::report(name, rounds);
    }

    fn rounds(&mut self) -> Rounds {
        let total = self.0.iter().map(|cost| u64::from(*cost)).sum();
        Rounds::of(&mut self.0, 0, total)
    }
}

/// Measures and prints.
pub fn report() -> Result<(), Error> {
    let mut stats = Costs([0; ROUNDS]);
    for cost in &mut stats.0 {
        *cost = clock::around(percpu::stats)?.1;
    }
    stats.report("percpu-stats");
    PAIRS.into_iter().try_for_each(pair)
}

/// Making a region and giving it back. A first one is there before, so that nothing happens for the first time.
fn pair((names, pages, populate): Pair) -> Result<(), Error> {
    let bytes = pages * PAGE_SIZE;
    Region::create(bytes, populate, "first")?.destroy()?;
    let (mut made, mut given) = (Costs([0; ROUNDS]), Costs([0; ROUNDS]));
    for (made, given) in made.0.iter_mut().zip(&mut given.0) {
        thread::yield_now();
        let (region, cost) = clock::around(|| Region::create(bytes, populate, "bench"))?;
        *made = cost;
        *given = clock::around(|| region.destroy())?.1;
    }
    for (name, mut costs) in names.into_iter().zip([made, given]) {
        match populate {
            Populate::None => costs.report(name),
            // Pages are cleared by whoever has time, so rounds differ by what others did in between.
            _ => costs.rounds().print(name, ""),
        }
    }
    Ok(())
}
