//! Any input at all gives a shape that keeps the promises of B1 to B9, or a refusal; never a panic.

use std::collections::BTreeSet;

use percpu_core::{AllocInfo, CpuId, Sizes, UnitOffset};
use proptest::prelude::*;

const MIB: u64 = 1 << 20;

/// Sizes of every magnitude, the absurd ones included.
fn any_size() -> impl Strategy<Value = u64> {
    prop_oneof![0..64u64 << 10, 0..8 * MIB, any::<u64>()]
}

fn any_atom() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => (12u32..26).prop_map(|bits| 1u64 << bits),
        2 => (1..2000u64).prop_map(|pages| pages * 4096),
        1 => any::<u64>(),
        1 => (52u32..64).prop_map(|bits| 1u64 << bits),
    ]
}

proptest! {
    #[test]
    fn any_input_gives_a_shape_or_a_refusal(
        (static_size, reserved_size, dyn_size) in (any_size(), any_size(), any_size()),
        atom_size in any_atom(),
        cpus in prop::collection::btree_map(any::<u16>(), 0..5u8, 0..90),
        starts in prop::collection::vec(prop_oneof![any::<u64>(), (0..1u64 << 40).prop_map(|p| p << 12)], 0..6),
    ) {
        let sizes = Sizes { static_size, reserved_size, dyn_size, atom_size };
        let distance = |a: CpuId, b: CpuId| if cpus[&a.get()] == cpus[&b.get()] { 10 } else { 20 };
        let ids = || cpus.keys().copied().map(CpuId::new);
        if let Ok(mut info) = AllocInfo::<80, 4>::build(&sizes, ids(), distance) {
            check_promises(&info, &ids().collect::<Vec<_>>());
            let _ = (info.layout().to_string(), info.embed_report().to_string(), info.page_report().to_string());
            if let Ok(placement) = info.place_groups(&starts) {
                check_disjoint(&info);
                prop_assert!(info.groups().all(|group| group.base_offset() <= placement.max_distance));
            }
        }
    }
}

fn check_promises(info: &AllocInfo<80, 4>, cpus: &[CpuId]) {
    assert_eq!(info.cpus().collect::<Vec<_>>(), cpus);
    assert_eq!(info.size_sum() % 4096, 0);
    assert!(info.dyn_size() >= 20_480 && info.unit_size() >= 32_768);
    assert!(info.size_sum() <= info.unit_size());
    assert_eq!(info.unit_size() % 4096, 0);
    assert_eq!(info.alloc_size() % info.atom_size(), 0);
    assert_eq!(
        info.unit_size() * info.units_per_alloc() as u64,
        info.alloc_size()
    );
    assert!(info.unit_count() - cpus.len() <= cpus.len() / 3, "waste");
    assert!(
        info.groups()
            .all(|group| group.unit_count() % info.units_per_alloc() == 0)
    );
    let mapped: BTreeSet<_> = info
        .groups()
        .flat_map(|group| group.cpu_map().flatten())
        .collect();
    assert_eq!(mapped, cpus.iter().copied().collect());
    check_disjoint(info);
    check_spare(info);
}

/// What is used and what is given back is all there is.
fn check_spare(info: &AllocInfo<80, 4>) {
    let spare: u128 = info.spare_ranges().map(|range| u128::from(range.size)).sum();
    let used = u128::from(info.size_sum()) * info.cpu_count() as u128;
    assert_eq!(
        spare + used,
        u128::from(info.unit_size()) * info.unit_count() as u128
    );
}

/// No two units share a byte.
fn check_disjoint(info: &AllocInfo<80, 4>) {
    let mut offsets: Vec<_> = info
        .cpus()
        .filter_map(|cpu| info.unit_offset(cpu))
        .map(UnitOffset::bytes)
        .collect();
    offsets.sort();
    assert!(
        offsets
            .windows(2)
            .all(|pair| pair[1] - pair[0] >= info.unit_size())
    );
}
