//! Static per-CPU variables of the kernel.
//!
//! `per_cpu! { static COUNT: Cell<u64> = Cell::new(0); }` puts the initial value into the template. The GS
//! base of a CPU is `its unit − the template's start` (as in Linux since 6.15), so the address of a variable
//! plus the GS base is this CPU's copy of it. Nothing may use this before [`crate::cpu::gs::install`].

pub mod word;

use core::arch::asm;
use core::cell::UnsafeCell;
use core::ops::Range;

use percpu_core::CpuId;

/// A variable of which each CPU has a copy. The static itself is only the template.
#[repr(transparent)]
pub struct PerCpu<T>(UnsafeCell<T>);

// SAFETY: `local` gives out a CPU's own copy only to code that runs on that CPU, and kernel code neither
// migrates nor is preempted; `on` asks for `Sync`.
unsafe impl<T> Sync for PerCpu<T> {}

/// Every CPU's own delta: its GS base, readable without the privileged instruction. Set by `install`.
#[unsafe(link_section = ".data..percpu..hot")]
pub static DELTA: PerCpu<u64> = PerCpu::new(0);

impl<T> PerCpu<T> {
    /// A template with this initial value.
    pub const fn new(value: T) -> PerCpu<T> {
        PerCpu(UnsafeCell::new(value))
    }

    /// This CPU's copy.
    pub fn local(&self) -> &T {
        let delta: u64;
        // SAFETY: after `install`, GS base plus the template address of DELTA is this CPU's DELTA.
        unsafe { asm!("mov {}, gs:[rip + {}]", out(reg) delta, sym DELTA, options(nostack, readonly)) };
        // SAFETY: 1. address plus delta is this CPU's copy, which lives for ever. 2. Only this CPU uses it
        // (or T is Sync), and only as a shared reference.
        unsafe { &*self.at(delta) }
    }

    /// Where it lies in the template.
    pub fn span(&self) -> Range<u64> {
        let start = self.0.get() as u64;
        start..start + size_of::<T>() as u64
    }

    /// The address of the copy in a unit whose delta is given.
    pub fn at(&self, delta: u64) -> *const T {
        (self.0.get() as u64).wrapping_add(delta) as *const T
    }
}

impl<T: Sync> PerCpu<T> {
    /// The copy of any possible CPU.
    pub fn on(&self, cpu: CpuId) -> &T {
        let delta = crate::boot::first_chunk::delta_of(cpu);
        // SAFETY: every possible CPU's unit exists for ever, and T may be shared between CPUs.
        unsafe { &*self.at(delta) }
    }
}

/// Declares static per-CPU variables.
///
/// A word behind the initial value puts a variable among its like in the template (S2, S3): `hot` for the few
/// that every border of the kernel touches, all in one cache line; `read_mostly` for those that are written at
/// boot, so that no later write takes their cache line away from another CPU; `page_aligned` for types of whole
/// pages. Without one it is an ordinary variable.
#[macro_export]
macro_rules! per_cpu {
    ($(
        $(#[$meta:meta])* $visibility:vis static $name:ident: $type:ty = $initial:expr $(, $section:ident)?;
    )+) => {
        $($crate::per_cpu! {
            @in $($section)?;
            $(#[$meta])* $visibility static $name: $type = $initial;
        })+
    };
    (@in; $($static:tt)+) => { $crate::per_cpu! { @place ".data..percpu"; $($static)+ } };
    (@in hot; $($static:tt)+) => { $crate::per_cpu! { @place ".data..percpu..hot"; $($static)+ } };
    (@in read_mostly; $($static:tt)+) => { $crate::per_cpu! { @place ".data..percpu..read_mostly"; $($static)+ } };
    (@in page_aligned; $($static:tt)+) => { $crate::per_cpu! { @place ".data..percpu..page_aligned"; $($static)+ } };
    (@place $place:literal;
        $(#[$meta:meta])* $visibility:vis static $name:ident: $type:ty = $initial:expr;
    ) => {
        $(#[$meta])*
        #[expect(unsafe_code, reason = "a link section counts as unsafe; the type keeps it safe")]
        #[unsafe(link_section = $place)]
        $visibility static $name: $crate::percpu::PerCpu<$type> = $crate::percpu::PerCpu::new($initial);
    };
}
