//! The GS bases, and the one word of this CPU that entry code needs before it has anything else.
//!
//! In kernel mode the GS base is this CPU's delta (unit base − template start, or 0 where one CPU uses the
//! template itself); the user's lies in the swapped slot (IA32_KERNEL_GS_BASE). Only this file and the stubs
//! (`stubs.rs`, `fast_path.rs`) swap or write them, and a boot door before there is a unit. The `gs` selector is never loaded after [`install`]: that would zero the
//! base (G3).

use core::arch::asm;
use core::cell::Cell;

use percpu_core::CpuId;
use x86_64::VirtAddr;
use x86_64::registers::model_specific::{GsBase, KernelGsBase};

use super::features;
use crate::boot::{first_chunk, options};
use crate::per_cpu;
use crate::percpu::DELTA;

per_cpu! {
    /// Which CPU this is.
    static THIS_CPU: Cell<u16> = Cell::new(0), hot;
}

/// Makes this CPU `cpu`: from here on per-CPU variables work, and only from here on.
///
/// # Safety
/// 1. The first chunk is built and `cpu` has a unit in it.
/// 2. No other CPU installs the same unit, and this one does it once after each INIT.
pub unsafe fn install(cpu: CpuId) {
    let delta = first_chunk::delta_of(cpu);
    GsBase::write(VirtAddr::new(delta));
    KernelGsBase::write(VirtAddr::new(user_base(cpu)));
    // SAFETY: 1. and 2. of the caller: this is the CPU's own copy of DELTA.
    unsafe { DELTA.at(delta).cast_mut().write(delta) };
    THIS_CPU.local().set(cpu.get());
}

/// The user GS base of every thread that runs on `cpu`: its unit in the window (design invariant 5).
pub fn user_base(cpu: CpuId) -> u64 {
    abi::window::WINDOW_BASE + cpu.index() as u64 * options::options().window_stride
}

/// This CPU.
pub fn this_cpu() -> CpuId {
    CpuId::new(THIS_CPU.local().get())
}

/// The GS base in force, for panic messages.
pub fn read() -> u64 {
    if features::has_fsgsbase_now() {
        let base: u64;
        // SAFETY: CR4.FSGSBASE is set.
        unsafe { asm!("rdgsbase {}", out(reg) base, options(nostack, nomem)) };
        base
    } else {
        GsBase::read().as_u64()
    }
}

/// The FS base of the thread that leaves this CPU. It stays until another thread's is installed, for the kernel does not use
/// FS. Without FSGSBASE user mode cannot change it.
pub fn fs_base() -> u64 {
    let mut base = 0;
    if features::has_fsgsbase_now() {
        // SAFETY: CR4.FSGSBASE is set.
        unsafe { asm!("rdfsbase {}", out(reg) base, options(nostack, nomem)) };
    }
    base
}

/// Installs the FS base of the thread that comes to this CPU.
pub fn set_fs_base(base: u64) {
    if features::has_fsgsbase_now() {
        // SAFETY: CR4.FSGSBASE is set; the value is 0 or was read by `fs_base` or the assembly of messages, so it is canonical.
        unsafe { asm!("wrfsbase {}", in(reg) base, options(nostack, nomem)) };
    }
}
