//! What the shape prints: Linux's lines, character for character.

use percpu_core::{AllocInfo, CpuId, LOCAL_DISTANCE, Sizes};

mod shapes;
use shapes::{USUAL, on_nodes};

#[test]
fn prints_the_report_lines_of_linux() {
    let info = on_nodes(&USUAL, &[3, 5]);
    assert_eq!(
        info.embed_report().to_string(),
        "Embedded 53 pages/cpu s180224 r8192 d28672 u1048576"
    );
    let page = AllocInfo::<4, 1>::build(
        &Sizes {
            dyn_size: 0,
            atom_size: 4096,
            ..USUAL
        },
        (0..4).map(CpuId::new),
        |_, _| LOCAL_DISTANCE,
    );
    assert_eq!(
        page.unwrap().page_report().to_string(),
        "51 4K pages/cpu s180224 r8192 d20480"
    );
}

#[test]
fn prints_the_layout_of_linux() {
    let three_and_five = "pcpu-alloc: s180224 r8192 d28672 u1048576 alloc=1*2097152\n\
                          pcpu-alloc: [0] 0 1 [0] 2 - [1] 3 4 [1] 5 6 \n\
                          pcpu-alloc: [1] 7 - ";
    assert_eq!(on_nodes(&USUAL, &[3, 5]).layout().to_string(), three_and_five);
    let six = "pcpu-alloc: s180224 r8192 d28672 u262144 alloc=1*2097152\n\
               pcpu-alloc: [0] 0 1 2 3 4 5 - - ";
    assert_eq!(on_nodes(&USUAL, &[6]).layout().to_string(), six);
}

#[test]
fn pads_cpu_numbers_to_the_width_of_their_count() {
    let ten = "pcpu-alloc: s180224 r8192 d28672 u524288 alloc=1*2097152\n\
               pcpu-alloc: [0] 00 01 02 03 [0] 04 05 06 07 [0] 08 09 -- -- ";
    // Three allocations of width 16 would fit into 60 columns, but only powers of two are used.
    let ten = ten.replace(" [0] 08", " \npcpu-alloc: [0] 08");
    assert_eq!(on_nodes(&USUAL, &[10]).layout().to_string(), ten);
}
