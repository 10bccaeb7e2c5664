//! Places: where a cell is, in the way that one instruction can say it.
//!
//! A plain static cannot be a place: `asm!` takes no memory operand from `&self`, and a reference to a static
//! in the template would point to an address where nothing is mapped. So a static has two halves: the
//! template value, which only `asm!` names, by `sym`, and a zero-sized place type with one `asm!` for each
//! operation and width.

use super::value::Word;

/// Proof that a place is used by the cell that was made for it, with the width that lies there.
#[derive(Clone, Copy, Debug)]
pub struct Seal(());

impl Seal {
    pub(crate) const NEW: Seal = Seal(());
}

/// Somewhere in every unit. The types of this crate call this, nobody else can.
///
/// # Safety
/// What lies at `offset` is per-CPU memory of this program's window, for as long as the place exists, and
/// `offset` is aligned for it.
pub unsafe trait Located {
    /// Bytes from the start of every unit.
    fn offset(&self, seal: Seal) -> usize;
}

/// A place that is reached by instructions of width `W`.
///
/// # Safety
/// Each method is one unlocked GS-relative instruction on the word at `offset`.
pub unsafe trait Place<W: Word>: Located {
    /// `mov`.
    fn load(&self, seal: Seal) -> W;
    /// `mov`.
    fn store(&self, seal: Seal, value: W);
    /// `add`.
    fn add(&self, seal: Seal, value: W);
    /// `add` of a number that stands in the instruction, cut to the word's width.
    fn add_const<const N: i32>(&self, seal: Seal);
    /// `sub`.
    fn sub(&self, seal: Seal, value: W);
    /// `inc`.
    fn increment(&self, seal: Seal);
    /// `and`.
    fn and(&self, seal: Seal, value: W);
    /// `or`.
    fn or(&self, seal: Seal, value: W);
    /// `xor`.
    fn xor(&self, seal: Seal, value: W);
    /// `xadd`: gives back what was there.
    fn fetch_add(&self, seal: Seal, value: W) -> W;
    /// `cmpxchg`: gives back what was there.
    fn compare_exchange(&self, seal: Seal, current: W, new: W) -> W;
}

/// Implements [`Place`] of all widths for a type that is [`Located`]. `$this` stands for `&self` in the
/// operand; the operand is what goes between the brackets of `gs:[…]`.
#[doc(hidden)]
#[macro_export]
macro_rules! place {
    ($type:ty, $this:ident, $($operand:tt)+) => {
        $crate::place!(@width $type, $this, u8, i8, reg_byte, "byte", "", "al", ($($operand)+));
        $crate::place!(@width $type, $this, u16, i16, reg, "word", ":x", "ax", ($($operand)+));
        $crate::place!(@width $type, $this, u32, i32, reg, "dword", ":e", "eax", ($($operand)+));
        $crate::place!(@width $type, $this, u64, i32, reg, "qword", ":r", "rax", ($($operand)+));
    };
    (@width $type:ty, $this:ident, $word:ident, $immediate:ident, $class:ident, $size:literal, $form:literal,
     $accumulator:tt, $operand:tt) => {
        // SAFETY: one instruction each, below.
        unsafe impl $crate::cell::Place<$word> for $type {
            #[inline(always)]
            fn load(&self, _: $crate::cell::Seal) -> $word {
                let $this = self;
                let _ = $this;
                let value: $word;
                $crate::place!(@asm concat!("mov {value", $form, "}, ", $size, " ptr gs:[{place}]"), $operand,
                    value = lateout($class) value, options(nostack, preserves_flags));
                value
            }

            $crate::place!(@write store "mov", $this, $word, $class, $size, $form, $operand);
            $crate::place!(@write add "add", $this, $word, $class, $size, $form, $operand);
            $crate::place!(@write sub "sub", $this, $word, $class, $size, $form, $operand);
            $crate::place!(@write and "and", $this, $word, $class, $size, $form, $operand);
            $crate::place!(@write or "or", $this, $word, $class, $size, $form, $operand);
            $crate::place!(@write xor "xor", $this, $word, $class, $size, $form, $operand);

            #[inline(always)]
            fn add_const<const N: i32>(&self, _: $crate::cell::Seal) {
                let $this = self;
                let _ = $this;
                $crate::place!(@asm concat!("add ", $size, " ptr gs:[{place}], {n}"), $operand,
                    n = const N as $immediate, options(nostack));
            }

            #[inline(always)]
            fn increment(&self, _: $crate::cell::Seal) {
                let $this = self;
                let _ = $this;
                $crate::place!(@asm concat!("inc ", $size, " ptr gs:[{place}]"), $operand, options(nostack));
            }

            #[inline(always)]
            fn fetch_add(&self, _: $crate::cell::Seal, value: $word) -> $word {
                let $this = self;
                let _ = $this;
                let mut value = value;
                $crate::place!(@asm concat!("xadd ", $size, " ptr gs:[{place}], {value", $form, "}"), $operand,
                    value = inout($class) value, options(nostack));
                value
            }

            #[inline(always)]
            fn compare_exchange(&self, _: $crate::cell::Seal, current: $word, new: $word) -> $word {
                let $this = self;
                let _ = $this;
                let mut found = current;
                $crate::place!(@asm concat!("cmpxchg ", $size, " ptr gs:[{place}], {new", $form, "}"), $operand,
                    new = in($class) new, inout($accumulator) found, options(nostack));
                found
            }
        }
    };
    (@write $name:ident $mnemonic:literal, $this:ident, $word:ident, $class:ident, $size:literal, $form:literal,
     $operand:tt) => {
        #[inline(always)]
        fn $name(&self, _: $crate::cell::Seal, value: $word) {
            let $this = self;
            let _ = $this;
            $crate::place!(@asm concat!($mnemonic, " ", $size, " ptr gs:[{place}], {value", $form, "}"), $operand,
                value = in($class) value, options(nostack));
        }
    };
    (@asm $template:expr, ($($operand:tt)+), $($rest:tt)+) => {
        // SAFETY: one instruction on a word of this CPU's unit, which holds only words that are used in this
        // way, by this program. It changes no other memory, and registers only as declared.
        unsafe { ::core::arch::asm!($template, place = $($operand)+, $($rest)+) }
    };
}
