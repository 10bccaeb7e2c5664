//! Reading other CPUs' copies, through the ordinary addresses of their units.

use abi::window::WINDOW_BASE;

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
