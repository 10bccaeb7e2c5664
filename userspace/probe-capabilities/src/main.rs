//! Checks capabilities: copies with fewer rights and badges, up to four in a message, copied or moved; and that whoever made a
//! copy can take it back, from everybody, at any time.
//!
//! `probe-capabilities:SEED` for another order of things in the storm.
#![no_std]
#![no_main]

#[expect(unsafe_code, reason = "machine code for other processes")]
mod children;
mod flights;
mod gifts;
mod revoke;
mod storm;

use userlib::abi::Handle;
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint};
use userlib::process::{self, ProcessStats};
use userlib::{Refusal, entry, println, start};

entry!(main);

fn main() -> Result<u64, Refusal> {
    let seed = start::argument().parse().unwrap_or(1);
    println!("probe-capabilities: seed {seed}");
    // Let the table grow to what is needed at most: it never shrinks.
    widen_table()?;
    let mut first = Checks::new();
    gifts::check(&mut first)?;
    revoke::check(&mut first)?;
    flights::check(&mut first)?;
    storm::rage(&mut first, seed)?;
    let before = holdings()?;
    let mut checks = Checks::new();
    gifts::check(&mut checks)?;
    revoke::check(&mut checks)?;
    flights::check(&mut checks)?;
    storm::rage(&mut checks, seed + 1)?;
    checks.equal("holds-what-it-held", holdings()?, before);
    Ok(first.code() + checks.code())
}

fn widen_table() -> Result<(), Refusal> {
    let mut made = [Handle::NONE; 500];
    for handle in &mut made {
        *handle = Endpoint::create()?.0;
    }
    made.into_iter().try_for_each(ipc::drop_capability)
}

fn holdings() -> Result<ProcessStats, Refusal> {
    let stats = process::stats(process::own())?;
    Ok(ProcessStats {
        preemptions: 0,
        migrations: 0,
        ..stats
    })
}
