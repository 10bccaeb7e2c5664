//! What the counter prints, and whether it is content.

use userlib::percpu::Geometry;
use userlib::{machine, println};

use crate::adds::{LOSSY, STATIC};
use crate::load::Cells;

/// What the percpu server has to reserve from.
pub fn reserved_part(geometry: &Geometry) {
    match geometry.reserved_pages {
        0 => println!("no reserved part: reservations are ordinary regions"),
        all => println!("reserved pages {} of {all} free", geometry.reserved_free),
    }
}

/// One row for each possible CPU.
pub fn table(cells: &Cells) {
    println!("cpu node unit_base static reserved dynamic");
    for cpu in 0..machine::possible_cpus() {
        let [node, unit_base] = [machine::node(cpu), machine::unit_base(cpu)].map(Option::unwrap_or_default);
        let values = [STATIC.on(cpu), cells.reserved.on(cpu), cells.dynamic.on(cpu)];
        let [a, b, c] = values.map(Option::unwrap_or_default);
        println!("{cpu} {node} {unit_base:#x} {a} {b} {c}");
    }
}

/// The three sums; whether all are exact.
pub fn sums(cells: &Cells, expected: u64) -> bool {
    let sums = [
        ("static", STATIC.sum()),
        ("reserved", cells.reserved.sum()),
        ("dynamic", cells.dynamic.sum()),
    ];
    for (name, got) in sums {
        println!("sum {name} {got} of {expected}");
    }
    sums.iter().all(|(_, got)| *got == expected)
}

/// The sum of the racy cell: a success only if counts were lost.
pub fn lossy(expected: u64) -> u64 {
    let got = LOSSY.sum();
    println!("sum lossy {got} of {expected}");
    u64::from(got >= expected)
}
