//! The shape beyond the vectors: the rules one by one, look-ups, and what is refused.

use percpu_core::{AllocInfo, CpuId, LOCAL_DISTANCE, ShapeError, Sizes};

mod shapes;
use shapes::{USUAL, on_nodes};

fn local(_: CpuId, _: CpuId) -> u32 {
    LOCAL_DISTANCE
}

#[test]
fn makes_no_unit_smaller_than_the_minimum() {
    let tiny = Sizes {
        static_size: 4096,
        reserved_size: 0,
        dyn_size: 0,
        atom_size: 4096,
    };
    let info = on_nodes(&tiny, &[1]);
    assert_eq!(
        (info.size_sum(), info.unit_size(), info.alloc_size()),
        (24_576, 32_768, 32_768)
    );
}

#[test]
fn keeps_units_at_page_borders() {
    // Half of 17 pages would be enough for a unit, but is not whole pages.
    let odd = Sizes {
        static_size: 4096,
        reserved_size: 0,
        dyn_size: 0,
        atom_size: 17 * 4096,
    };
    let info = on_nodes(&odd, &[2]);
    assert_eq!((info.units_per_alloc(), info.unit_size()), (1, 17 * 4096));
}

#[test]
fn takes_only_10_both_ways_as_near() {
    let groups = |there: u32, back: u32| {
        let distance = move |a: CpuId, b: CpuId| match (a.get(), b.get()) {
            (0, 1) => there,
            (1, 0) => back,
            _ => LOCAL_DISTANCE,
        };
        let cpus = [0, 1].map(CpuId::new);
        AllocInfo::<2, 2>::build(&USUAL, cpus, distance)
            .expect("a shape")
            .group_count()
    };
    assert_eq!(groups(10, 10), 1);
    for (there, back) in [(10, 11), (11, 10), (5, 5), (0, 0), (11, 11), (10, 20), (20, 10)] {
        assert_eq!(groups(there, back), 2, "{there} there, {back} back");
    }
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
