//! What this CPU can do, asked by CPUID and never assumed, and the control bits that follow from it.
//!
//! Setting a bit that a CPU lacks faults on hardware and hangs some emulators, so each is asked for.

use raw_cpuid::CpuId as Leaves;
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags};
use x86_64::registers::model_specific::{Efer, EferFlags};
use x86_64::registers::xcontrol::{XCr0, XCr0Flags};

use super::fpu;

/// The protections and instructions that the kernel uses when they are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// RDGSBASE and WRGSBASE.
    pub fsgsbase: bool,
    /// No execution of user pages in kernel mode.
    pub smep: bool,
    /// No access to user pages in kernel mode.
    pub smap: bool,
    /// No SGDT and its like in user mode.
    pub umip: bool,
    /// The no-execute bit of page tables.
    pub nx: bool,
    /// XSAVE and XRSTOR.
    pub xsave: bool,
    /// AVX registers, which only XSAVE keeps.
    pub avx: bool,
}

/// Asks this CPU.
pub fn detect() -> Features {
    let leaves = Leaves::new();
    let basic = leaves.get_feature_info();
    let extended = leaves.get_extended_feature_info();
    let has = |test: fn(&raw_cpuid::ExtendedFeatures) -> bool| extended.as_ref().is_some_and(test);
    Features {
        fsgsbase: has(|leaf| leaf.has_fsgsbase()),
        smep: has(|leaf| leaf.has_smep()),
        smap: has(|leaf| leaf.has_smap()),
        umip: has(|leaf| leaf.has_umip()),
        nx: leaves
            .get_extended_processor_and_feature_identifiers()
            .is_some_and(|leaf| leaf.has_execute_disable()),
        xsave: basic.as_ref().is_some_and(|leaf| leaf.has_xsave()),
        avx: basic
            .as_ref()
            .is_some_and(|leaf| leaf.has_xsave() && leaf.has_avx()),
    }
}

/// Switches on what is there, on this CPU.
pub fn enable(features: Features) {
    let mut cr4 = Cr4::read();
    cr4.set(Cr4Flags::FSGSBASE, features.fsgsbase);
    cr4.set(Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION, features.smep);
    cr4.set(Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION, features.smap);
    cr4.set(Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION, features.umip);
    cr4.insert(Cr4Flags::OSFXSR | Cr4Flags::OSXMMEXCPT_ENABLE);
    cr4.set(Cr4Flags::OSXSAVE, features.xsave);
    // SAFETY: each bit is set only where CPUID has it (every 64-bit CPU has SSE); none invalidates what the kernel
    // relies on, since it never touches user addresses. CR0: write protection on; TS makes a thread's first
    // use of the FPU fault.
    unsafe {
        Cr4::write(cr4);
        Cr0::update(|cr0| {
            cr0.remove(Cr0Flags::EMULATE_COPROCESSOR);
            cr0.insert(
                Cr0Flags::WRITE_PROTECT
                    | Cr0Flags::NUMERIC_ERROR
                    | Cr0Flags::MONITOR_COPROCESSOR
                    | Cr0Flags::TASK_SWITCHED,
            );
        });
        Efer::update(|efer| {
            efer.insert(EferFlags::SYSTEM_CALL_EXTENSIONS);
            efer.set(EferFlags::NO_EXECUTE_ENABLE, features.nx);
        });
        if features.xsave {
            let mut parts = XCr0Flags::X87 | XCr0Flags::SSE;
            parts.set(XCr0Flags::AVX, features.avx);
            XCr0::write(parts);
        }
    }
    fpu::initialize(features.xsave);
}

/// Whether RDGSBASE works on this CPU at this moment.
pub fn has_fsgsbase_now() -> bool {
    Cr4::read().contains(Cr4Flags::FSGSBASE)
}

/// Whether SMAP is on for this CPU at this moment, but for EFLAGS.AC.
pub fn has_smap_now() -> bool {
    Cr4::read().contains(Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION)
}
