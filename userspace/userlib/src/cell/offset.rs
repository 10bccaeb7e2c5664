//! The place of a cell in a region: an offset by value.

use core::arch::asm;
use core::marker::PhantomData;

use super::place::{Located, Seal};
use super::value::Value;
use crate::{pair_place, place};

/// An offset that holds in every unit, for as long as the region `'r` is there.
#[derive(Clone, Copy, Debug)]
pub struct Offset<'r> {
    bytes: usize,
    region: PhantomData<&'r ()>,
}

// SAFETY: whoever makes an offset answers for what lies there.
unsafe impl Located for Offset<'_> {
    #[inline(always)]
    fn offset(&self, _: Seal) -> usize {
        self.bytes
    }
}

place!(Offset<'_>, this, in(reg) this.bytes);
pair_place!(Offset<'_>, this, load: (in(reg) this.bytes), exchange: "rdi" (in("rdi") this.bytes));

impl<'r> super::PerCpuPair<Offset<'r>> {
    /// A pair at an offset of the window, within a region that lives for `'r`. `None` when it is not aligned.
    pub(crate) fn in_region(bytes: usize) -> Option<Self> {
        let region = PhantomData;
        let aligned = bytes.is_multiple_of(16);
        aligned.then(|| super::PerCpuPair::at(Offset { bytes, region }))
    }
}

impl<'r, T: Value> super::PerCpuCell<T, Offset<'r>>
where
    Offset<'r>: super::Place<T::Word>,
{
    /// A cell at an offset of the window, within a region that lives for `'r`. `None` when it is not aligned.
    pub(crate) fn in_region(bytes: usize) -> Option<Self> {
        let region = PhantomData;
        let aligned = bytes.is_multiple_of(size_of::<T>());
        aligned.then(|| super::PerCpuCell::at(Offset { bytes, region }))
    }
}

/// The base of the unit that this thread was on a moment ago, from the header page: one `mov`.
#[must_use]
pub fn here() -> u64 {
    let unit_base: u64;
    // SAFETY: reads the first word of the header page, which is mapped in every unit.
    unsafe {
        asm!("mov {base}, qword ptr gs:[{at}]", base = lateout(reg) unit_base, at = const abi::window::header::UNIT_BASE,
            options(nostack, preserves_flags, readonly));
    }
    unit_base
}
