//! Cells of what is no integer: small enums, pointers, and pairs of words.

use userlib::cell::{Pointer, SmallEnum};
use userlib::checks::Checks;
use userlib::percpu::Region;
use userlib::{PerCpuPair, machine, percpu};

use crate::on_each_cpu;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum Light {
    Red = 3,
    Green = 7,
}

impl SmallEnum for Light {
    fn to_byte(self) -> u8 {
        self as u8
    }

    fn from_byte(byte: u8) -> Light {
        match byte {
            7 => Light::Green,
            _ => Light::Red,
        }
    }
}

static TARGET: u32 = 77;

percpu! {
    static LIGHT: PerCpuCell<Light> = Light::Green;
    static POINTER: PerCpuCell<Pointer<u32>> = Pointer::new((&raw const TARGET).cast_mut());
    static PAIR_BEFORE: PerCpuCell<u64> = 0x1111;
    static PAIR: PerCpuPair = [5, 6];
    static PAIR_BEHIND: PerCpuCell<u64> = 0x2222;
}

pub fn check(checks: &mut Checks) {
    let units = machine::possible_cpus();
    let green = LIGHT.iter().filter(|light| *light == Light::Green).count();
    checks.equal("initial-enum", green, units);
    let target = Pointer::new((&raw const TARGET).cast_mut());
    let pointing = POINTER.iter().filter(|pointer| *pointer == target).count();
    checks.equal("initial-pointer", pointing, units);
    let pairs = (0..units).filter(|cpu| PAIR.on(*cpu) == Some([5, 6])).count();
    checks.equal("initial-pair", pairs, units);
    checks.equal("pair-of-no-cpu", PAIR.on(units), None);
    let enums = on_each_cpu(|| {
        let changed = LIGHT.compare_exchange(Light::Green, Light::Red) == Ok(Light::Green);
        let refused = LIGHT.compare_exchange(Light::Green, Light::Green) == Err(Light::Red);
        changed && refused && LIGHT.get() == Light::Red
    });
    checks.that("static-enum", enums, format_args!("an operation differs"));
    let pointers = on_each_cpu(|| {
        let changed = POINTER.compare_exchange(target, Pointer::NULL) == Ok(target);
        let is_null = POINTER.get() == Pointer::NULL;
        POINTER.set(target);
        changed && is_null && POINTER.get().get().cast_const() == &raw const TARGET
    });
    checks.that("static-pointer", pointers, format_args!("an operation differs"));
    let pair = on_each_cpu(|| PAIR.compare_exchange([5, 6], [1, 2]).is_ok() && exercise_pair(&PAIR));
    checks.that("static-pair", pair, format_args!("an operation differs"));
    let kept = PAIR_BEFORE.sum() == 0x1111 * units as u64 && PAIR_BEHIND.sum() == 0x2222 * units as u64;
    checks.that("pair-neighbours", kept, format_args!("a neighbour has changed"));
}

/// From `[1, 2]` to `[1, 2]`.
fn exercise_pair<P: userlib::cell::PairPlace>(pair: &PerCpuPair<P>) -> bool {
    let [low, high] = [u64::MAX - 1, 1 << 63];
    let refused = [[1, 3], [2, 2], [0, 0]].map(|wrong| pair.compare_exchange(wrong, [low, high]));
    let unchanged = refused == [Err([1, 2]); 3] && pair.get() == [1, 2];
    let changed = pair.compare_exchange([1, 2], [low, high]) == Ok(());
    let halves = pair.first() == low && pair.second() == high;
    let here = pair.on(machine::this_cpu_hint()) == Some([low, high]);
    let back = pair.compare_exchange([low, high], [1, 2]) == Ok(());
    unchanged && changed && halves && here && back
}

pub fn pair_in_region(checks: &mut Checks, region: &Region) {
    checks.equal("pair-unaligned", region.pair(8).map(|pair| pair.offset()), None);
    checks.equal("pair-outside", region.pair(4096).map(|pair| pair.offset()), None);
    let right = on_each_cpu(|| {
        let guards = [1016, 1040].map(|at| region.cell::<u64>(at));
        guards.iter().flatten().for_each(|guard| guard.set(0x77));
        let Some(pair) = region.pair(1024) else {
            return false;
        };
        let is_right = pair.compare_exchange([0, 0], [1, 2]).is_ok() && exercise_pair(&pair);
        is_right && guards.iter().flatten().all(|guard| guard.get() == 0x77)
    });
    checks.that(
        "region-pair",
        right,
        format_args!("an operation differs, or reaches too far"),
    );
}
