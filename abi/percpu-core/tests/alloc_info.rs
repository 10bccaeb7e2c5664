//! The shape beyond the vectors: where units lie once memory is there, and what is refused.

use percpu_core::{
    AllocInfo, CpuId, GroupSpan, LOCAL_DISTANCE, PlaceError, REMOTE_DISTANCE, ShapeError, Sizes, UnitOffset,
    exceeds_three_quarters, max_distance,
};

const MIB: u64 = 1 << 20;
const USUAL: Sizes = Sizes {
    static_size: 180_224,
    reserved_size: 8_192,
    dyn_size: 28_672,
    atom_size: 2 * MIB,
};

/// CPUs numbered through, so many on each node.
fn on_nodes(sizes: &Sizes, per_node: &[usize]) -> AllocInfo {
    let nodes: Vec<usize> = per_node
        .iter()
        .enumerate()
        .flat_map(|(node, cpus)| std::iter::repeat_n(node, *cpus))
        .collect();
    let distance = |a: CpuId, b: CpuId| {
        if nodes[a.index()] == nodes[b.index()] {
            LOCAL_DISTANCE
        } else {
            REMOTE_DISTANCE
        }
    };
    AllocInfo::build(sizes, (0..nodes.len() as u16).map(CpuId::new), distance).expect("a shape")
}

fn local(_: CpuId, _: CpuId) -> u32 {
    LOCAL_DISTANCE
}

fn offsets(info: &AllocInfo) -> Vec<u64> {
    info.cpus()
        .filter_map(|cpu| info.unit_offset(cpu))
        .map(UnitOffset::bytes)
        .collect()
}

#[test]
fn counts_unused_units_in_the_unit_index() {
    let info = on_nodes(&USUAL, &[3, 5]);
    let indices: Vec<_> = info.cpus().map(|cpu| info.unit_index(cpu).unwrap()).collect();
    assert_eq!(indices, [0, 1, 2, 4, 5, 6, 7, 8]);
    assert_eq!(info.group_of(CpuId::new(3)), Some(1));
    assert_eq!(info.group(1).unwrap().first_unit(), 4);
    assert_eq!(info.group(1).unwrap().cpus()[0], CpuId::new(3));
    assert!(info.group(2).is_none());
}

#[test]
fn knows_sparse_ids_and_no_others() {
    let ids = [1, 4, 6, 9].map(CpuId::new);
    let info = AllocInfo::<4, 1>::build(&USUAL, ids, local).unwrap();
    assert_eq!(ids.map(|cpu| info.unit_index(cpu)), [0, 1, 2, 3].map(Some));
    for impossible in [0, 2, 5, 10, u16::MAX].map(CpuId::new) {
        assert_eq!(info.unit_offset(impossible), None);
        assert_eq!(info.unit_index(impossible), None);
        assert_eq!(info.group_of(impossible), None);
    }
}

#[test]
fn moves_groups_to_where_their_memory_is() {
    let mut info = on_nodes(&USUAL, &[3, 2, 3]);
    let base = 0x1_0000_0000;
    let placement = info
        .place_groups(&[base + (8 << 30), base, base + (4 << 30)])
        .unwrap();
    assert_eq!(placement.base, base);
    assert_eq!(placement.max_distance, (8 << 30) + 4 * MIB);
    let (second, third) = (4 << 30, 8 << 30);
    let expected = [
        third,
        third + MIB,
        third + 2 * MIB,
        0,
        MIB,
        second,
        second + MIB,
        second + 2 * MIB,
    ];
    assert_eq!(offsets(&info), expected);
    assert_eq!(info.lowest_and_highest(), Some((CpuId::new(3), CpuId::new(2))));
    assert_eq!(info.unit_offset(CpuId::new(3)), Some(UnitOffset::new(0)));
}

#[test]
fn refuses_groups_that_cannot_lie_there() {
    let mut info = on_nodes(&USUAL, &[2, 2]);
    let before = info.clone();
    let refused = |info: &mut AllocInfo, starts: &[u64]| info.place_groups(starts).unwrap_err();
    assert_eq!(
        refused(&mut info, &[0]),
        PlaceError::WrongCount { given: 1, needed: 2 }
    );
    assert_eq!(
        refused(&mut info, &[0, 4 * MIB + 8]),
        PlaceError::Misaligned { group: 1 }
    );
    assert_eq!(
        refused(&mut info, &[0, 0_u64.wrapping_sub(4096)]),
        PlaceError::PastEnd { group: 1 }
    );
    assert_eq!(
        refused(&mut info, &[0, 2 * MIB - 4096]),
        PlaceError::Overlap { group: 1, with: 0 }
    );
    assert_eq!(
        refused(&mut info, &[MIB, 0]),
        PlaceError::Overlap { group: 1, with: 0 }
    );
    assert_eq!(info, before);
    assert!(info.place_groups(&[2 * MIB, 0]).is_ok());
}

#[test]
fn measures_to_the_end_of_the_group_that_starts_highest() {
    let span = |start, size| GroupSpan { start, size };
    assert_eq!(
        max_distance([span(100, 1000), span(200, 10)].into_iter()),
        Some(110)
    );
    assert_eq!(max_distance([span(u64::MAX, 1), span(0, 1)].into_iter()), None);
    assert_eq!(max_distance([].into_iter()), None);
}

#[test]
fn refuses_only_what_is_over_three_quarters() {
    // Recorded: accepted, accepted at the limit exactly, refused.
    assert!(!exceeds_three_quarters(4_297_064_448, 5_729_419_268));
    assert!(!exceeds_three_quarters(4_297_064_448, 5_729_419_264));
    assert!(exceeds_three_quarters(4_297_064_448, 5_729_419_256));
    // Four-level paging: the limit is 26,388,279,066,623 bytes.
    assert!(!exceeds_three_quarters(26_388_279_066_623, (1 << 45) - 1));
    assert!(exceeds_three_quarters(26_388_279_066_624, (1 << 45) - 1));
    assert!(!exceeds_three_quarters(u64::MAX / 2, u64::MAX));
}

#[test]
fn names_every_refusal() {
    let refused = |sizes: Sizes, cpus: &[u16], distance: fn(CpuId, CpuId) -> u32| {
        let cpus = cpus.iter().copied().map(CpuId::new);
        AllocInfo::<3, 2>::build(&sizes, cpus, distance).unwrap_err()
    };
    assert_eq!(refused(USUAL, &[], local), ShapeError::NoCpu);
    assert_eq!(
        refused(USUAL, &[0, 1, 2, 3], local),
        ShapeError::TooManyCpus { limit: 3 }
    );
    assert_eq!(
        refused(USUAL, &[0, 2, 1], local),
        ShapeError::NotAscending { cpu: CpuId::new(1) }
    );
    assert_eq!(
        refused(USUAL, &[5, 5], local),
        ShapeError::NotAscending { cpu: CpuId::new(5) }
    );
    assert_eq!(
        refused(USUAL, &[0, 1, 2], |_, _| 11),
        ShapeError::TooManyGroups { limit: 2 }
    );
    for atom_size in [0, 4095, 6144] {
        assert_eq!(
            refused(Sizes { atom_size, ..USUAL }, &[0], local),
            ShapeError::BadAtom { atom_size }
        );
    }
    let too_large = Sizes {
        static_size: u64::MAX - 8192,
        ..USUAL
    };
    assert_eq!(refused(too_large, &[0], local), ShapeError::SizeOverflow);
    let too_large_together = Sizes {
        atom_size: 1 << 63,
        ..USUAL
    };
    assert_eq!(
        refused(too_large_together, &[0, 1], |_, _| 20),
        ShapeError::SizeOverflow
    );
}

#[test]
fn forgets_an_earlier_run() {
    // B10: embed first, page afterwards, as when embed is refused.
    let embed = on_nodes(&USUAL, &[3, 5]);
    let page = AllocInfo::build(
        &Sizes {
            dyn_size: 0,
            atom_size: 4096,
            ..USUAL
        },
        embed.cpus(),
        local,
    )
    .unwrap();
    assert_eq!(
        (embed.group_count(), AllocInfo::<256, 64>::group_count(&page)),
        (2, 1)
    );
    assert_eq!(
        (page.units_per_alloc(), page.unit_count(), page.dyn_size()),
        (1, 8, 20_480)
    );
}
