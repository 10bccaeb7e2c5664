//! Checks threads, CPUs, messages and memory, each promise in a line of its own.
#![no_std]
#![no_main]

mod cpus;
#[expect(unsafe_code, reason = "spoils its own GS base, to see the kernel mend it")]
mod gs_base;
mod messages;
mod threads;

use userlib::checks::Checks;
use userlib::entry;

entry!(main);

fn main() -> u64 {
    let mut checks = Checks::new();
    threads::check(&mut checks);
    cpus::check(&mut checks);
    gs_base::check(&mut checks);
    messages::check(&mut checks);
    checks.code()
}
