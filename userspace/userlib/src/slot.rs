//! `PerCpuSlot<T>`: one `T` for each CPU, for one thread at a time.
//!
//! The thread that has taken a slot may be on another CPU when it gives it back. An unlocked instruction is atomic
//! only against its own CPU, and a compare-exchange writes even when it fails: it puts back what it has read, and
//! with that undoes what another CPU has written in between. So the owner word is taken by a *locked*
//! compare-exchange through its ordinary address, and no cell ever lies there.

#[expect(unsafe_code, reason = "the owner word stands for its value")]
mod owned;

pub use owned::{Busy, Owned, Taken};

use crate::cell::{Located, Offset};
use crate::machine;
use crate::shared::PerCpu;

/// One value for each CPU, for one thread at a time: `&mut T`, or [`Busy`].
///
/// ```ignore
/// percpu! { static SCRATCH: PerCpuSlot<[u8; 256]> = [0; 256]; }
/// match SCRATCH.take() {
///     Ok(mut scratch) => scratch[0] = 1,   // until it is dropped
///     Err(busy) => …,                      // another thread of that CPU has it
/// }
/// ```
///
/// Taking and giving back are 11 instructions together, one of them a locked compare-exchange. The line of memory is
/// most likely this CPU's own, which makes the lock cheap; nobody waits for anybody.
#[derive(Debug)]
pub struct PerCpuSlot<T: Send, P: Located = Offset<'static>> {
    units: PerCpu<Owned<T>, P>,
}

impl<T: Send, P: Located> PerCpuSlot<T, P> {
    /// For [`percpu!`](crate::percpu!) alone.
    ///
    /// # Safety
    /// In every unit an `Owned<T>` lies at the place, a copy of one constant.
    #[doc(hidden)]
    pub const unsafe fn of_static(place: P) -> Self {
        // SAFETY: the caller's obligation is the same.
        let units = unsafe { PerCpu::of_static(place) };
        PerCpuSlot { units }
    }

    /// The slot of the CPU that this thread was on a moment ago, for this thread alone until it is dropped.
    ///
    /// # Errors
    /// [`Busy`].
    #[inline]
    pub fn take(&self) -> Result<Taken<'_, T>, Busy> {
        Taken::new(self.units.this_cpu())
    }

    /// The first free slot of all, this CPU's first.
    ///
    /// # Errors
    /// [`Busy`] when each was taken at the moment when it was tried.
    pub fn take_any(&self) -> Result<Taken<'_, T>, Busy> {
        let cpus = 0..machine::possible_cpus();
        let others = cpus.filter_map(|cpu| Taken::new(self.units.on(cpu)?).ok());
        self.take().or_else(|busy| { others }.next().ok_or(busy))
    }

    /// The slot of one CPU. `None` for one that is not possible.
    ///
    /// # Errors
    /// [`Busy`].
    pub fn take_on(&self, cpu: usize) -> Option<Result<Taken<'_, T>, Busy>> {
        self.units.on(cpu).map(Taken::new)
    }
}
