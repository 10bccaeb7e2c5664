//! How this machine's local APICs are reached: by their page, or by MSR (SDM volume 3, section 10.12).
//!
//! The mode is chosen once, on the boot CPU, before the list of CPUs is read: it decides which ids can be used.
//! x2APIC mode is taken if the CPU has it, and kept if firmware left it on. Each CPU then enters it by itself.

use core::arch::asm;

use percpu_core::{ApicId, ApicMode};
use x86_64::registers::model_specific::Msr;

use crate::log;
use crate::memory::{self, MAPPED_AT_BOOT};
use crate::sync::Once;

/// IA32_APIC_BASE, which every CPU with a local APIC has.
const APIC_BASE: u32 = 0x1b;
const X2APIC_ENABLED: u64 = 1 << 10;
const GLOBALLY_ENABLED: u64 = 1 << 11;
/// The page of the registers, up to the 52 bits that an address can have.
const PAGE_ADDRESS: u64 = 0x000f_ffff_ffff_f000;

const ID: u16 = 0x20;
const COMMAND_LOW: u16 = 0x300;
const COMMAND_HIGH: u16 = 0x310;
const PENDING: u32 = 1 << 12;

/// What holds for all CPUs: they share one mode and one address.
#[derive(Clone, Copy)]
pub struct Access {
    mode: ApicMode,
    /// Physical address of the page, for xAPIC mode.
    page: u64,
}

static ACCESS: Once<Access> = Once::new();

/// Chooses the mode, enters it on the boot CPU, and tells this CPU's own id: what the APIC's register says, as
/// on every other CPU, because that is what messages are sent to. CPUID's initial id may differ from it.
///
/// # Panics
///
/// If firmware moved the page to where the physical map need not reach: no CPU could use its APIC there.
pub fn choose() -> (ApicMode, ApicId) {
    let access = *ACCESS.call_once(|| {
        // SAFETY: reads a register that every CPU in 64-bit mode has.
        let base = unsafe { Msr::new(APIC_BASE).read() };
        let leaf = raw_cpuid::CpuId::new().get_feature_info();
        let has_x2apic = leaf.is_some_and(|leaf| leaf.has_x2apic());
        Access {
            mode: match base & X2APIC_ENABLED != 0 || has_x2apic {
                true => ApicMode::X2Apic,
                false => ApicMode::XApic,
            },
            page: base & PAGE_ADDRESS,
        }
    });
    access.enter();
    let name = match access.mode {
        ApicMode::XApic => "xAPIC",
        ApicMode::X2Apic => "x2APIC",
    };
    let is_mapped = access.mode == ApicMode::X2Apic || access.page < MAPPED_AT_BOOT;
    assert!(is_mapped, "local APIC at {:#x} is out of reach", access.page);
    let id = access.mode.id_of(access.read(ID));
    log!("apic: {name} mode, boot CPU has id {id}");
    (access.mode, id)
}

/// The way to this CPU's registers.
pub fn access() -> Access {
    *ACCESS
        .get()
        .expect("the mode is chosen before the list of CPUs is read")
}

impl Access {
    /// Physical address of the page with the registers.
    pub fn page(self) -> u64 {
        self.page
    }

    /// Switches this CPU's APIC on, in the chosen mode. Entering x2APIC mode from a disabled APIC takes two
    /// steps (SDM volume 3, figure 10-27).
    pub fn enter(self) {
        // SAFETY: enabling is what the CPU allows from every state but x2APIC mode, which has both bits
        // already; the page stays where it is.
        unsafe {
            let mut register = Msr::new(APIC_BASE);
            let mut base = register.read();
            if base & GLOBALLY_ENABLED == 0 {
                base |= GLOBALLY_ENABLED;
                register.write(base);
            }
            if self.mode == ApicMode::X2Apic && base & X2APIC_ENABLED == 0 {
                register.write(base | X2APIC_ENABLED);
            }
        }
    }

    /// Reads a register, named by its offset in the page.
    pub fn read(self, offset: u16) -> u32 {
        match self.mode {
            // SAFETY: the page of the APIC is mapped; reading the registers that are named in this folder
            // has no side effect.
            ApicMode::XApic => unsafe { self.register(offset).read_volatile() },
            // SAFETY: the mode has these MSRs, and it is on.
            ApicMode::X2Apic => unsafe { Msr::new(ApicMode::msr(offset)).read() as u32 },
        }
    }

    /// Writes a register, named by its offset in the page.
    pub fn write(self, offset: u16, value: u32) {
        match self.mode {
            // SAFETY: as for `read`; each caller says what the write does, and none touches memory.
            ApicMode::XApic => unsafe { self.register(offset).write_volatile(value) },
            // SAFETY: the same.
            ApicMode::X2Apic => unsafe { Msr::new(ApicMode::msr(offset)).write(value.into()) },
        }
    }

    /// Sends a command to another CPU's APIC. What this CPU has written to memory before is seen by whoever
    /// it reaches.
    pub fn send(self, to: ApicId, command: u32) {
        let value = self.mode.interrupt_command(to, command);
        match self.mode {
            ApicMode::XApic => {
                while self.read(COMMAND_LOW) & PENDING != 0 {
                    core::hint::spin_loop();
                }
                self.write(COMMAND_HIGH, (value >> 32) as u32);
                self.write(COMMAND_LOW, value as u32);
            }
            ApicMode::X2Apic => {
                // Unlike a store to the page, WRMSR to these registers waits for nothing (section 10.12.3).
                // SAFETY: fences.
                unsafe { asm!("mfence", "lfence", options(nostack, preserves_flags)) };
                // SAFETY: one write of all 64 bits; there is no pending bit to wait for (section 10.12.9).
                unsafe { Msr::new(ApicMode::msr(COMMAND_LOW)).write(value) };
            }
        }
    }

    fn register(self, offset: u16) -> *mut u32 {
        memory::physical_pointer(self.page + u64::from(offset)).cast()
    }
}
