//! Checks what the percpu server does beyond the first grant: populating and taking back, touching, names and maps,
//! batches, numbers, quotas; and the notifications by which the server learns of ends.
//!
//! `launched 1 ID 0` is the other client of its checks, and `hold` stays so that somebody can look from outside.
//! `exhaust NODE` uses up the memory of a node.
#![no_std]
#![no_main]

mod batches;
mod exhaust;
mod hold;
mod maps;
mod notifications;
mod numbers;
mod pages;
mod quotas;
mod touch;
mod windows;

use userlib::abi::percpu::{PercpuError, RegionId, Request};
use userlib::checks::Checks;
use userlib::percpu::{self, Error};
use userlib::{entry, start};

entry!(main);

/// What the other client is told to do.
pub const INTRUDE: u64 = 1;

fn main() -> u64 {
    let mut words = start::argument().split(' ');
    match (words.next(), words.next(), words.next()) {
        (Some("launched"), _, Some(id)) => intrude(id.parse().unwrap_or(0)),
        (Some("hold"), ..) => hold::run(),
        (Some("exhaust"), node, _) => exhaust::run(node.and_then(|node| node.parse().ok()).unwrap_or(0)),
        _ => check_all(),
    }
}

fn check_all() -> u64 {
    let mut checks = Checks::new();
    notifications::check(&mut checks);
    windows::check(&mut checks);
    pages::check(&mut checks);
    touch::check(&mut checks);
    maps::check(&mut checks);
    batches::check(&mut checks);
    numbers::check(&mut checks);
    quotas::check(&mut checks);
    checks.code()
}

/// Tries to destroy another program's region. 0 when that is refused for the right reason.
fn intrude(id: u64) -> u64 {
    let region = RegionId::decode(id);
    let refused = percpu::request(&Request::Destroy { region });
    u64::from(refused != Err(Error::Refused(PercpuError::NotYours)))
}
