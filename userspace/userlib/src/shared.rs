//! `PerCpu<T>`: one `T` for each CPU, used by reference.
//!
//! For what is too large for a cell, and takes care of itself when several threads use it: atomics, locks, and
//! what is made of them. The thread may leave the CPU while it holds the reference, so "this CPU's" is only a
//! hint: it keeps CPUs out of each other's cache lines most of the time, and proves nothing.

use core::marker::PhantomData;
use core::ptr::with_exposed_provenance;

use abi::window::WINDOW_BASE;

use crate::cell::{Located, Offset, Seal, here};
use crate::machine;

/// One value for each CPU, used by reference.
///
/// ```ignore
/// percpu! { static QUEUE: PerCpu<Mutex<Queue>> = Mutex::new(Queue::new()); }
/// QUEUE.this_cpu_hint(|queue| queue.lock().push(job));
/// ```
///
/// | operation | instructions |
/// |---|---|
/// | `this_cpu_hint` | 2: `mov` from `gs:[0]`, and an addition |
/// | `on` | about 8 |
/// | `iter` | about 8 for each CPU |
///
/// Beside these is what the `T` itself costs: its atomics are ordinary ones, locked and safe from every CPU. They
/// never lie in the same words as cells.
#[derive(Debug)]
pub struct PerCpu<T: Sync, P: Located = Offset<'static>> {
    place: P,
    value: PhantomData<T>,
}

impl<T: Sync, P: Located> PerCpu<T, P> {
    /// For [`percpu!`](crate::percpu!), and whoever else has put values there.
    ///
    /// # Safety
    /// In every unit a `T` lies at the place, for as long as the place exists; each is either a copy of one
    /// constant, or was made for that unit.
    #[doc(hidden)]
    pub const unsafe fn of_static(place: P) -> Self {
        let value = PhantomData;
        PerCpu { place, value }
    }

    /// Calls `body` with the value of the CPU that this thread was on a moment ago.
    #[inline(always)]
    pub fn this_cpu_hint<R>(&self, body: impl FnOnce(&T) -> R) -> R {
        body(self.this_cpu())
    }

    /// The value of the CPU that this thread was on a moment ago.
    #[inline(always)]
    pub(crate) fn this_cpu(&self) -> &T {
        self.in_unit(here())
    }

    /// The value of this CPU. `None` for one that is not possible.
    pub fn on(&self, cpu: usize) -> Option<&T> {
        let unit = WINDOW_BASE + cpu as u64 * machine::stride();
        (cpu < machine::possible_cpus()).then(|| self.in_unit(unit))
    }

    /// The values of all possible CPUs, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> + '_ {
        (0..machine::possible_cpus()).filter_map(|cpu| self.on(cpu))
    }

    #[inline(always)]
    fn in_unit(&self, unit: u64) -> &T {
        let address = unit as usize + self.place.offset(Seal::NEW);
        // SAFETY: `unit` is the address of a unit, and whoever made this answers for the `T` in it. Nobody uses it
        // other than by reference, and it may be used by several threads.
        unsafe { &*with_exposed_provenance::<T>(address) }
    }
}
