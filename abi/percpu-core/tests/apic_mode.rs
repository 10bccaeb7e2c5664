//! How ids and registers are written to hardware in both modes, against numbers from the manual.

use percpu_core::{ApicId, ApicMode};

/// Local APIC registers at their offsets, and the MSRs that the SDM's table 10-6 gives them.
const REGISTERS: [(u16, u32); 15] = [
    (0x20, 0x802),
    (0x30, 0x803),
    (0x80, 0x808),
    (0xb0, 0x80b),
    (0xd0, 0x80d),
    (0xf0, 0x80f),
    (0x280, 0x828),
    (0x300, 0x830),
    (0x320, 0x832),
    (0x350, 0x835),
    (0x360, 0x836),
    (0x370, 0x837),
    (0x380, 0x838),
    (0x390, 0x839),
    (0x3e0, 0x83e),
];
/// Level assert, and delivery modes.
const INIT: u32 = 0x4500;
const STARTUP: u32 = 0x4600;

#[test]
fn every_register_has_the_msr_of_the_manual() {
    for (offset, msr) in REGISTERS {
        assert_eq!(ApicMode::msr(offset), msr, "{offset:#x}");
    }
}

#[test]
fn a_command_names_its_cpu_in_8_or_in_32_bits() {
    let command = |mode: ApicMode, id, command| mode.interrupt_command(ApicId::new(id), command);
    assert_eq!(command(ApicMode::XApic, 5, INIT), 0x0500_0000_0000_4500);
    assert_eq!(command(ApicMode::XApic, 254, STARTUP | 8), 0xfe00_0000_0000_4608);
    assert_eq!(command(ApicMode::X2Apic, 5, INIT), 0x0000_0005_0000_4500);
    assert_eq!(
        command(ApicMode::X2Apic, 0x0102_0304, STARTUP | 8),
        0x0102_0304_0000_4608
    );
    assert_eq!(
        command(ApicMode::X2Apic, 0xffff_fffe, 0xf1),
        0xffff_fffe_0000_00f1
    );
}

#[test]
fn an_id_register_is_read_as_it_was_written() {
    assert_eq!(ApicMode::XApic.id_of(0x0500_0000), ApicId::new(5));
    assert_eq!(ApicMode::X2Apic.id_of(0x0500_0000), ApicId::new(0x0500_0000));
    for (mode, id) in [(ApicMode::XApic, 0xfe), (ApicMode::X2Apic, 300)] {
        let destination = mode.interrupt_command(ApicId::new(id), 0) >> 32;
        assert_eq!(mode.id_of(destination as u32), ApicId::new(id));
    }
}

#[test]
fn ids_that_mean_everybody_or_do_not_fit_cannot_be_addressed() {
    let addressable = |mode: ApicMode| {
        [0, 254, 255, 256, 0xffff_fffe, 0xffff_ffff].map(|id| mode.can_address(ApicId::new(id)))
    };
    assert_eq!(
        addressable(ApicMode::XApic),
        [true, true, false, false, false, false]
    );
    assert_eq!(
        addressable(ApicMode::X2Apic),
        [true, true, true, true, true, false]
    );
}
