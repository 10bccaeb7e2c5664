//! Boots real machines and checks what the system promises, one trial for each promise.
//!
//! Trials that need the same machine share one boot, named in `lab.rs`. Nothing is built before the first
//! trial runs, so `--list` is quick. A missing tool is a failure, not a reason to skip.

mod boots;
mod endings;
mod first_chunk;
mod lab;
mod launcher;
mod witness;

use libtest_mimic::Arguments;

fn main() {
    let arguments = Arguments::from_args();
    let trials = [
        endings::trials(),
        launcher::trials(),
        boots::trials(),
        first_chunk::trials(),
    ];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit();
}
