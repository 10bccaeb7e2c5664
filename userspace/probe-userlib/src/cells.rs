//! Cells, driven from CPU to CPU.

use userlib::checks::Checks;
use userlib::{crowd, percpu};

const ROUNDS: u64 = 100_000;

percpu! {
    static ADDED: PerCpuCell<u64> = 0;
    static FETCHED: PerCpuCell<u32> = 0;
    static EXCHANGED: PerCpuCell<u64> = 0;
    static FLIPPED: PerCpuCell<u16> = 0;
    static PAIR: PerCpuPair = [0, 0];
}

/// Every operation that changes a copy, by all threads: the sums are exact.
pub fn check(checks: &mut Checks) {
    let threads = crowd::size() as u64;
    checks.equal("cells-crowd", crowd::run(work), Ok(0));
    checks.equal("cells-added", ADDED.sum(), threads * ROUNDS * 3);
    checks.equal("cells-fetched", u64::from(FETCHED.sum()), threads * ROUNDS);
    checks.equal("cells-exchanged", EXCHANGED.sum(), threads * ROUNDS);
    let flips = FLIPPED.iter().fold(0, |all, bits| all ^ bits);
    checks.equal("cells-flipped", flips, 0);
    let pairs = (0..userlib::machine::possible_cpus()).filter_map(|cpu| PAIR.on(cpu));
    let [first, second] = pairs.fold([0, 0], |[a, b], [c, d]| [a + c, b + d]);
    checks.equal(
        "cells-pair",
        [first, second],
        [threads * ROUNDS, 2 * threads * ROUNDS],
    );
}

fn work(_: usize) -> u64 {
    for round in 0..ROUNDS {
        if round % 64 == 0 {
            crowd::drive();
        }
        ADDED.add(2);
        ADDED.add_const::<2>();
        ADDED.sub(1);
        FETCHED.fetch_add(1);
        // Twice each, possibly on two CPUs.
        FLIPPED.xor(1 << (round % 16));
        FLIPPED.xor(1 << (round % 16));
        let mut known = EXCHANGED.get();
        while let Err(found) = EXCHANGED.compare_exchange(known, known + 1) {
            known = found;
        }
        let mut pair = [PAIR.first(), PAIR.second()];
        while let Err(found) = PAIR.compare_exchange(pair, [pair[0] + 1, pair[1] + 2]) {
            pair = found;
        }
    }
    0
}
