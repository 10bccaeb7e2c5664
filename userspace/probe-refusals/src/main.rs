//! Asks for what must be refused, and checks that it is refused by name, with its numbers, and that nothing
//! has changed: afterwards an ordinary region still works, and this program holds as much as before.
#![no_std]
#![no_main]

mod capabilities;
mod malformed;
mod memory;
mod ordinary;
#[expect(unsafe_code, reason = "calls that no wrapper would make")]
mod raw;
mod regions;
mod table;
mod windows;

use userlib::checks::Checks;
use userlib::{entry, percpu, process};

entry!(main);

percpu! {
    /// So that this program has a static part, and not all of its window is free.
    static KEPT: PerCpuCell<u64> = 0x5e_11_0e;
}

fn main() -> u64 {
    let mut checks = Checks::new();
    let before = ordinary::Holdings::now();
    malformed::check(&mut checks);
    regions::check(&mut checks);
    ordinary::check(&mut checks);
    before.check_unchanged(&mut checks);
    kernel_calls(&mut checks);
    table::check(&mut checks);
    let kept = KEPT.iter().all(|value| value == 0x5e_11_0e);
    checks.that(
        "statics-untouched",
        kept,
        format_args!("a unit's static has changed"),
    );
    checks.code()
}

/// The second round is the one that is checked for leaks: the first may leave page tables behind.
fn kernel_calls(checks: &mut Checks) {
    let round = |checks: &mut Checks| {
        capabilities::check(checks);
        memory::check(checks);
        windows::check(checks);
    };
    round(checks);
    let used = || process::stats(process::own()).map(|stats| stats.frames_used);
    let before = used();
    round(checks);
    checks.equal("refused-calls-cost-no-frames", used(), before);
}
