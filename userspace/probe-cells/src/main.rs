//! Every operation of every kind and width of cell, beside the same operation on an ordinary value: on each
//! CPU in turn, with neighbours that must not change.
#![no_std]
#![no_main]

#[macro_use]
mod exercise;

use userlib::abi::syscall::CpuMask;
use userlib::checks::Checks;
use userlib::percpu::{Populate, Region};
use userlib::{entry, machine, percpu, thread};

mod others;

entry!(main);

percpu! {
    static BEFORE: PerCpuCell<u8> = 0xa5;
    static U8: PerCpuCell<u8> = 8;
    static U16: PerCpuCell<u16> = 16;
    static U32: PerCpuCell<u32> = 32;
    static U64: PerCpuCell<u64> = 64;
    static USIZE: PerCpuCell<usize> = 65;
    static I8: PerCpuCell<i8> = -8;
    static I16: PerCpuCell<i16> = -16;
    static I32: PerCpuCell<i32> = -32;
    static I64: PerCpuCell<i64> = -64;
    static ISIZE: PerCpuCell<isize> = -65;
    static FLAG: PerCpuCell<bool> = true;
    static BEHIND: PerCpuCell<u8> = 0x5a;
}

fn main() -> u64 {
    let mut checks = Checks::new();
    initial_values(&mut checks);
    statics(&mut checks);
    flags(&mut checks);
    others::check(&mut checks);
    let region = Region::create(64, Populate::All, "cells");
    if let Some(region) = checks.success("region", region) {
        in_region(&mut checks, &region);
        others::pair_in_region(&mut checks, &region);
        checks.equal("region-destroy", region.destroy(), Ok(()));
    }
    let kept = BEFORE.iter().all(|value| value == 0xa5) && BEHIND.iter().all(|value| value == 0x5a);
    checks.that(
        "neighbours",
        kept,
        format_args!("a static beside the others has changed"),
    );
    checks.code()
}

/// The template is in every unit before the program starts.
fn initial_values(checks: &mut Checks) {
    let units = machine::possible_cpus();
    let unsigned = U8
        .iter()
        .map(u64::from)
        .chain(U16.iter().map(u64::from))
        .sum::<u64>();
    checks.equal("initial-narrow", unsigned, 24 * units as u64);
    checks.equal("initial-u32", U32.sum(), 32 * units as u32);
    checks.equal("initial-u64", U64.sum(), 64 * units as u64);
    checks.equal("initial-usize", USIZE.sum(), 65 * units);
    checks.equal("initial-i64", I64.sum(), -64 * units as i64);
    checks.equal("initial-bool", FLAG.iter().filter(|flag| *flag).count(), units);
}

/// Runs `body` on every CPU, bound to it; whether all runs were right.
pub fn on_each_cpu(mut body: impl FnMut() -> bool) -> bool {
    let right = machine::online().all(|cpu| thread::bind_self(&CpuMask::only(cpu)).is_ok() && body());
    right && thread::bind_self(&CpuMask::ALL).is_ok()
}

/// Exercises one cell; whether all was right.
type Exercise = fn() -> bool;

fn statics(checks: &mut Checks) {
    let table: [(&str, Exercise); 10] = [
        ("static-u8", || exercise!(u8, &U8)),
        ("static-u16", || exercise!(u16, &U16)),
        ("static-u32", || exercise!(u32, &U32)),
        ("static-u64", || exercise!(u64, &U64)),
        ("static-usize", || exercise!(usize, &USIZE)),
        ("static-i8", || exercise!(i8, &I8)),
        ("static-i16", || exercise!(i16, &I16)),
        ("static-i32", || exercise!(i32, &I32)),
        ("static-i64", || exercise!(i64, &I64)),
        ("static-isize", || exercise!(isize, &ISIZE)),
    ];
    for (name, body) in table {
        checks.that(name, on_each_cpu(body), format_args!("an operation differs"));
    }
}

/// A cell of a region: its name, its place, its size, and what exercises it.
type Case = (&'static str, u64, u64, fn(&Region, u64) -> bool);

fn in_region(checks: &mut Checks, region: &Region) {
    let cases: [Case; 5] = [
        ("region-u8", 1, 1, |region, at| {
            region.cell(at).is_some_and(|cell| exercise!(u8, &cell))
        }),
        ("region-u16", 2, 2, |region, at| {
            region.cell(at).is_some_and(|cell| exercise!(u16, &cell))
        }),
        ("region-u32", 4, 4, |region, at| {
            region.cell(at).is_some_and(|cell| exercise!(u32, &cell))
        }),
        ("region-u64", 8, 8, |region, at| {
            region.cell(at).is_some_and(|cell| exercise!(u64, &cell))
        }),
        ("region-i64", 4088, 8, |region, at| {
            region.cell(at).is_some_and(|cell| exercise!(i64, &cell))
        }),
    ];
    for (name, at, size, body) in cases {
        let right = on_each_cpu(|| {
            let guards = [at - 1, at + size].map(|guard| region.cell::<u8>(guard));
            guards.iter().flatten().for_each(|guard| guard.set(0x77));
            body(region, at) && guards.iter().flatten().all(|guard| guard.get() == 0x77)
        });
        checks.that(
            name,
            right,
            format_args!("an operation differs, or reaches too far"),
        );
    }
}

fn flags(checks: &mut Checks) {
    let right = on_each_cpu(|| {
        let was = FLAG.get();
        let refused = FLAG.compare_exchange(!was, was) == Err(was);
        let changed = FLAG.compare_exchange(was, !was) == Ok(was) && FLAG.get() != was;
        FLAG.set(was);
        FLAG.xor(true);
        let flipped = FLAG.get() != was;
        FLAG.or(true);
        let set = FLAG.get();
        FLAG.and(false);
        let cleared = !FLAG.get();
        FLAG.set(was);
        flipped && set && cleared && refused && changed && FLAG.get() == was
    });
    checks.that("static-bool", right, format_args!("an operation differs"));
}
