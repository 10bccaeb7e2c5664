//! The place of a cell in a region: an offset by value.

use core::arch::asm;
use core::marker::PhantomData;

use super::value::Value;
use crate::place;

/// An offset that holds in every unit, for as long as the region `'r` is there.
#[derive(Clone, Copy, Debug)]
pub struct Offset<'r> {
    bytes: usize,
    region: PhantomData<&'r ()>,
}

place!(Offset<'_>, this, this.bytes, in(reg) this.bytes);

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
