//! Copies of other CPUs, through the ordinary addresses of their units: to read them, and to write them while
//! nobody uses them.

use abi::window::WINDOW_BASE;

use super::place::Seal;
use super::value::Word;
use crate::machine;

/// The word at `offset` of a CPU's unit. `None` for a CPU that is not possible, or an offset outside.
///
/// Where nothing is mapped at the offset, this faults, which ends the program.
pub fn read<W: Word>(cpu: usize, offset: usize) -> Option<W> {
    let stride = machine::stride() as usize;
    let inside = cpu < machine::possible_cpus() && offset < stride && offset.is_multiple_of(size_of::<W>());
    let address = WINDOW_BASE as usize + cpu * stride + offset;
    // SAFETY: the address is in a unit, whose memory holds per-CPU words only: these are changed by single
    // instructions. It is aligned. If it is not mapped, the kernel ends the program at this instruction.
    inside.then(|| unsafe { W::read(address) })
}

/// The addresses of an offset in all units, in the order of CPUs.
#[inline]
pub fn addresses(offset: usize) -> impl Iterator<Item = usize> + Clone {
    let stride = machine::stride() as usize;
    let first = WINDOW_BASE as usize + offset;
    (0..machine::possible_cpus()).map(move |cpu| first + cpu * stride)
}

/// The words at the offset of a cell, in all units in the order of CPUs.
#[inline]
pub fn words<W: Word>(offset: usize, _: Seal) -> impl Iterator<Item = W> {
    // SAFETY: as for `read`: the offset is that of a cell, so in every unit and aligned.
    addresses(offset).map(|address| unsafe { W::read(address) })
}

/// Sets the words at `offset` of all units, each to what `value` says for the CPU.
///
/// # Safety
/// 1. The offset is aligned, and in per-CPU memory of this program that is populated.
/// 2. Nobody uses these words now: an instruction of another CPU that is not locked could undo this.
#[inline]
pub unsafe fn write<W: Word>(offset: usize, value: impl Fn(usize) -> W) {
    for (cpu, address) in addresses(offset).enumerate() {
        // SAFETY: the caller's obligations.
        unsafe { W::write(address, value(cpu)) };
    }
}
