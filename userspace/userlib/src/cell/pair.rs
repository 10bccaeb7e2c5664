//! Two words side by side that change together: the 16-byte compare-exchange.
//!
//! What a free list needs: its first element in one word, and in the other a number that changes each time,
//! so that a thread that was away for a while cannot mistake a new list for the one that it has seen.

use super::offset::Offset;
use super::place::{Located, Seal};
use super::units;

/// Two words, as they lie in a unit.
#[doc(hidden)]
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug)]
pub struct Words(pub(super) [u64; 2]);

/// A place that holds two words, aligned to both.
///
/// # Safety
/// Each method touches the pair in one unlocked GS-relative instruction.
pub unsafe trait PairPlace: Located {
    /// `mov` of the first word.
    fn first(&self, seal: Seal) -> u64;
    /// `mov` of the second word.
    fn second(&self, seal: Seal) -> u64;
    /// `cmpxchg16b`: what was there, and whether it was `current`.
    fn compare_exchange(&self, seal: Seal, current: [u64; 2], new: [u64; 2]) -> ([u64; 2], bool);
}

/// Two words for each CPU, aligned to 16 bytes, changed together.
///
/// | operation | instructions on the pair | and beside it |
/// |---|---|---|
/// | `first`, `second` | 1 `mov` | none |
/// | `compare_exchange` | 1 `cmpxchg16b`, no lock prefix | 3 to set registers, 3 to look at the outcome |
/// | `get` | 1 `cmpxchg16b` | the same |
///
/// `first` and then `second` are two instructions: between them the thread may have been moved, so what they
/// read may belong to two CPUs. A compare-exchange that succeeds proves that both belonged to one.
#[derive(Debug)]
pub struct PerCpuPair<P: PairPlace = Offset<'static>> {
    place: P,
}

impl<P: PairPlace + Copy> Copy for PerCpuPair<P> {}

impl<P: PairPlace + Copy> Clone for PerCpuPair<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: PairPlace> PerCpuPair<P> {
    pub(crate) const fn at(place: P) -> Self {
        PerCpuPair { place }
    }

    /// The first word of this CPU's pair.
    #[inline(always)]
    pub fn first(&self) -> u64 {
        self.place.first(Seal::NEW)
    }

    /// The second word of this CPU's pair.
    #[inline(always)]
    pub fn second(&self) -> u64 {
        self.place.second(Seal::NEW)
    }

    /// Both words of this CPU's pair, as they were at one moment.
    #[inline(always)]
    pub fn get(&self) -> [u64; 2] {
        self.place.compare_exchange(Seal::NEW, [0; 2], [0; 2]).0
    }

    /// Sets this CPU's pair to `new` if it is `current`.
    ///
    /// # Errors
    /// What was there, when it was not `current`.
    #[inline(always)]
    pub fn compare_exchange(&self, current: [u64; 2], new: [u64; 2]) -> Result<(), [u64; 2]> {
        match self.place.compare_exchange(Seal::NEW, current, new) {
            (_, true) => Ok(()),
            (found, false) => Err(found),
        }
    }

    /// Where it lies in every unit of the window, in bytes.
    #[inline]
    pub fn offset(&self) -> usize {
        self.place.offset(Seal::NEW)
    }

    /// The words of one CPU, each as it was a moment ago; the two may be of different moments. `None` for a CPU
    /// that is not possible.
    pub fn on(&self, cpu: usize) -> Option<[u64; 2]> {
        let offset = self.offset();
        Some([units::read(cpu, offset)?, units::read(cpu, offset + 8)?])
    }
}

/// Implements [`PairPlace`] for a type that is [`Located`]. `$this` stands for `&self` in the operands. The loads'
/// operand is what goes between the brackets of `gs:[…]`; the exchange's must not be `rbx`, so its text comes apart.
#[doc(hidden)]
#[macro_export]
macro_rules! pair_place {
    ($type:ty, $this:ident, load: ($($load:tt)+), exchange: $text:literal ($($operand:tt)+)) => {
        // SAFETY: one instruction each on the words, below.
        unsafe impl $crate::cell::PairPlace for $type {
            #[inline(always)]
            fn first(&self, _: $crate::cell::Seal) -> u64 {
                let $this = self;
                let _ = $this;
                $crate::pair_place!(@load "", $($load)+)
            }

            #[inline(always)]
            fn second(&self, _: $crate::cell::Seal) -> u64 {
                let $this = self;
                let _ = $this;
                $crate::pair_place!(@load " + 8", $($load)+)
            }

            #[inline(always)]
            fn compare_exchange(&self, _: $crate::cell::Seal, current: [u64; 2], new: [u64; 2]) -> ([u64; 2], bool) {
                let $this = self;
                let _ = $this;
                let [mut first, mut second] = current;
                let is_changed: u8;
                // SAFETY: one instruction on two words of this CPU's unit, which holds only words that are used
                // in this way, by this program. LLVM keeps `rbx` for itself, so it is put back. Nothing else
                // is changed but what is declared.
                unsafe {
                    ::core::arch::asm!(
                        "xchg {new}, rbx",
                        concat!("cmpxchg16b xmmword ptr gs:[", $text, "]"),
                        "mov rbx, {new}",
                        "sete {is_changed}",
                        new = inout(reg) new[0] => _,
                        is_changed = lateout(reg_byte) is_changed,
                        $($operand)+,
                        in("rcx") new[1],
                        inout("rax") first,
                        inout("rdx") second,
                        options(nostack),
                    );
                }
                ([first, second], is_changed != 0)
            }
        }
    };
    (@load $behind:literal, $($operand:tt)+) => {{
        let value: u64;
        // SAFETY: reads a word of this CPU's unit.
        unsafe {
            ::core::arch::asm!(concat!("mov {value}, qword ptr gs:[{place}", $behind, "]"),
                place = $($operand)+, value = lateout(reg) value, options(nostack, preserves_flags));
        }
        value
    }};
}
