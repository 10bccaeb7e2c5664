//! The machine code of `counter`: what the design promises of one addition.

use libtest_mimic::{Failed, Trial};
use selion_tests::{GsUse, Operation, Place, gs_uses};

use crate::lab::prepared;

pub fn trials() -> Vec<Trial> {
    let is_static: fn(Place) -> bool = |place| matches!(place, Place::Static(_));
    let is_offset: fn(Place) -> bool = |place| place == Place::Offset;
    let functions = [
        ("counter_add_static", is_static),
        ("counter_add_reserved", is_offset),
        ("counter_add_dynamic", is_offset),
    ];
    let one = |(function, is_place): (&'static str, fn(Place) -> bool)| {
        Trial::test(format!("code::{function}_is_one_instruction"), move || {
            one_instruction(function, is_place)
        })
    };
    let none_locked = Trial::test("code::nothing_on_per_cpu_memory_is_locked", nothing_locked);
    functions.into_iter().map(one).chain([none_locked]).collect()
}

fn uses() -> Result<Vec<GsUse>, Failed> {
    Ok(gs_uses(&std::fs::read(prepared()?.binary("counter"))?)?)
}

fn one_instruction(function: &str, is_place: fn(Place) -> bool) -> Result<(), Failed> {
    let uses: Vec<GsUse> = uses()?
        .into_iter()
        .filter(|found| found.function == function)
        .collect();
    match &uses[..] {
        [
            GsUse {
                operation: Operation::Add,
                is_locked: false,
                place,
                ..
            },
        ] if is_place(*place) => Ok(()),
        other => {
            Err(format!("{function} should be one unlocked GS-relative addition, but has {other:#x?}").into())
        }
    }
}

fn nothing_locked() -> Result<(), Failed> {
    let uses = uses()?;
    let locked: Vec<&GsUse> = uses.iter().filter(|found| found.is_locked).collect();
    match (uses.len(), &locked[..]) {
        (0, _) => Err("counter has no GS-relative instruction at all".into()),
        (_, []) => Ok(()),
        (_, locked) => Err(format!("locked instructions on per-CPU memory: {locked:#x?}").into()),
    }
}
