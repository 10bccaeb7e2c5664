//! Where units lie once the memory of all groups is there, and when that is too far apart.

use percpu_core::{
    AllocInfo, CpuId, GroupSpan, PlaceError, ShapeError, Sizes, UnitOffset, exceeds_three_quarters,
    max_distance,
};

mod shapes;
use shapes::{MIB, USUAL, on_nodes};

fn offsets(info: &AllocInfo) -> Vec<u64> {
    info.cpus()
        .filter_map(|cpu| info.unit_offset(cpu))
        .map(UnitOffset::bytes)
        .collect()
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
fn gives_back_unused_units_and_ends_of_units() {
    let mut info = on_nodes(&USUAL, &[1, 2]);
    info.place_groups(&[16 * MIB, 0]).unwrap();
    let spare: Vec<_> = info
        .spare_ranges()
        .map(|range| (range.offset, range.size))
        .collect();
    let (used, tail) = (217_088, MIB - 217_088);
    let of_the_first = [(16 * MIB + used, tail), (17 * MIB, MIB)];
    assert_eq!(spare, [of_the_first, [(used, tail), (MIB + used, tail)]].concat());

    let mut info = on_nodes(&USUAL, &[3, 5]);
    info.place_groups(&[0, 64 * MIB]).unwrap();
    let whole_units: Vec<_> = info
        .spare_ranges()
        .filter(|range| range.size == info.unit_size())
        .collect();
    assert_eq!(
        whole_units.iter().map(|range| range.offset).collect::<Vec<_>>(),
        [3 * MIB, 69 * MIB]
    );
    assert_eq!(info.spare_ranges().count(), 10);
}

#[test]
fn gives_back_a_page_but_not_nothing() {
    let one_page = on_nodes(
        &Sizes {
            atom_size: 54 * 4096,
            ..USUAL
        },
        &[1],
    );
    assert_eq!(
        one_page
            .spare_ranges()
            .map(|range| range.size)
            .collect::<Vec<_>>(),
        [4096]
    );
    let exact = on_nodes(
        &Sizes {
            atom_size: 4096,
            ..USUAL
        },
        &[4],
    );
    assert_eq!(exact.spare_ranges().count(), 0);
}

#[test]
fn one_cpu_can_do_with_one_dynamic_unit() {
    let sizes =
        |dyn_size| AllocInfo::<1, 1>::build_up(dyn_size).map(|info| (info.unit_size(), info.dyn_size()));
    assert_eq!(sizes(28 << 10), Ok((32 << 10, 32 << 10)));
    assert_eq!(sizes((32 << 10) + 1), Ok((64 << 10, 64 << 10)));
    assert_eq!(sizes((1 << 63) + 1), Err(ShapeError::SizeOverflow));
    let info = AllocInfo::<1, 1>::build_up(0).unwrap();
    assert_eq!(info.unit_size(), 32 << 10);
    assert_eq!(info.unit_offset(CpuId::BOOT), Some(UnitOffset::new(0)));
    assert_eq!(
        (info.static_size(), info.reserved_size(), info.unit_count()),
        (0, 0, 1)
    );
    assert_eq!(info.spare_ranges().count(), 0);
    assert_eq!(
        AllocInfo::<0, 1>::build_up(0).err(),
        Some(ShapeError::TooManyCpus { limit: 0 })
    );
    assert_eq!(
        AllocInfo::<1, 0>::build_up(0).err(),
        Some(ShapeError::TooManyGroups { limit: 0 })
    );
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
