//! How an [`ApicId`] is written to hardware in each of the APIC's two modes: numbers only, no access.
//!
//! In xAPIC mode the registers are 16 bytes apart in a page, and an id has 8 bits. In x2APIC mode each of
//! them is an MSR, an id has 32 bits, and the interrupt command register is written as a whole.
//!
//! Source: SDM volume 3, sections 10.4.1, 10.6.1, 10.12.1 and 10.12.9.

use crate::ApicId;

/// The MSR of the register at offset 0.
const FIRST_MSR: u32 = 0x800;

/// How the APICs are addressed now: it limits which APIC ids can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApicMode {
    /// 8-bit ids, by memory-mapped registers. 255 is everybody.
    XApic,
    /// 32-bit ids, by MSR. `0xffff_ffff` is everybody.
    X2Apic,
}

impl ApicMode {
    /// Whether an interrupt can be sent to just this APIC.
    #[must_use]
    pub const fn can_address(self, id: ApicId) -> bool {
        match self {
            Self::XApic => id.get() < 0xff,
            Self::X2Apic => id.get() < u32::MAX,
        }
    }

    /// The MSR that is the register at a byte offset of the memory-mapped page. x2APIC mode only, and not
    /// for the upper half of the interrupt command register (0x310), which has none.
    #[must_use]
    pub const fn msr(offset: u16) -> u32 {
        FIRST_MSR + offset as u32 / 16
    }

    /// All 64 bits of the interrupt command register: `command` (vector, delivery mode, flags) for this
    /// APIC. The upper half goes to 0x310 in xAPIC mode, before the lower half goes to 0x300. An id that
    /// [cannot be addressed](Self::can_address) is cut short in xAPIC mode.
    #[must_use]
    pub const fn interrupt_command(self, to: ApicId, command: u32) -> u64 {
        let destination = match self {
            Self::XApic => to.get() << 24,
            Self::X2Apic => to.get(),
        };
        (destination as u64) << 32 | command as u64
    }

    /// The id that an APIC's own id register (0x20) names.
    #[must_use]
    pub const fn id_of(self, register: u32) -> ApicId {
        ApicId::new(match self {
            Self::XApic => register >> 24,
            Self::X2Apic => register,
        })
    }
}
