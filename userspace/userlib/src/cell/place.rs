//! Places: where a cell is, in the way that one instruction can say it.
//!
//! A plain static cannot be a place: `asm!` takes no memory operand from `&self`, and a reference to a static
//! in the template would point to an address where nothing is mapped. So a static has two halves: the
//! template value, which only `asm!` names, by `sym`, and a zero-sized place type with one `asm!` for each
//! operation and width.

use core::cell::UnsafeCell;

use super::value::{Value, Word};

/// Proof that a place is used by the cell that was made for it, with the width that lies there.
#[derive(Clone, Copy, Debug)]
pub struct Seal(());

impl Seal {
    pub(super) const NEW: Seal = Seal(());
}

/// Somewhere in every unit, reached by instructions of width `W`. Cells call this, nobody else can.
///
/// # Safety
/// 1. Each method is one unlocked GS-relative instruction on the word at `offset`; `offset` is aligned.
/// 2. What lies there is per-CPU memory of this program's window, for as long as the place exists.
pub unsafe trait Place<W: Word> {
    /// Bytes from the start of every unit.
    fn offset(&self, seal: Seal) -> usize;
    /// `mov`.
    fn load(&self, seal: Seal) -> W;
    /// `mov`.
    fn store(&self, seal: Seal, value: W);
    /// `add`.
    fn add(&self, seal: Seal, value: W);
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

/// The initial value of a per-CPU static, in the template: copied to every unit before the program starts,
/// and never touched again.
#[doc(hidden)]
#[repr(transparent)]
#[derive(Debug)]
pub struct Template<T>(UnsafeCell<T>);

// SAFETY: no Rust code reads or writes it; it exists so that the linker lays it out.
unsafe impl<T: Value> Sync for Template<T> {}

impl<T: Value> Template<T> {
    /// A template of this value.
    pub const fn new(value: T) -> Self {
        Template(UnsafeCell::new(value))
    }
}

impl<T: Value, P: Place<T::Word>> super::PerCpuCell<T, P> {
    /// For [`percpu!`](crate::percpu!) alone.
    ///
    /// # Safety
    /// A `T` lies at the place.
    #[doc(hidden)]
    pub const unsafe fn of_static(place: P) -> Self {
        super::PerCpuCell::at(place)
    }
}

/// Implements [`Place`] of all widths for a type. `$this` stands for `&self` in the operand; the operand is
/// what goes between the brackets of `gs:[…]`.
#[doc(hidden)]
#[macro_export]
macro_rules! place {
    ($type:ty, $this:ident, $offset:expr, $($operand:tt)+) => {
        $crate::place!(@width $type, $this, $offset, u8, reg_byte, "byte", "", "al", ($($operand)+));
        $crate::place!(@width $type, $this, $offset, u16, reg, "word", ":x", "ax", ($($operand)+));
        $crate::place!(@width $type, $this, $offset, u32, reg, "dword", ":e", "eax", ($($operand)+));
        $crate::place!(@width $type, $this, $offset, u64, reg, "qword", ":r", "rax", ($($operand)+));
    };
    (@width $type:ty, $this:ident, $offset:expr, $word:ident, $class:ident, $size:literal, $form:literal,
     $accumulator:tt, $operand:tt) => {
        // SAFETY: 1. one instruction each, below; the linker and `Offset::new` align. 2. the template is in
        // every unit for ever, and an `Offset` borrows its region.
        unsafe impl $crate::cell::Place<$word> for $type {
            #[inline(always)]
            fn offset(&self, _: $crate::cell::Seal) -> usize {
                let $this = self;
                let _ = $this;
                $offset
            }

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

/// Declares per-CPU statics: `percpu! { static HITS: PerCpuCell<u64> = 0; }`.
///
/// Each gets a copy in every CPU's unit, with the given value before the program starts.
#[macro_export]
macro_rules! percpu {
    ($($(#[$attribute:meta])* $visibility:vis static $name:ident: PerCpuCell<$value:ty> = $initial:expr;)+) => {$(
        #[doc(hidden)]
        #[allow(non_camel_case_types, reason = "the place shares the static's name, in the namespace of types")]
        #[derive(Clone, Copy, Debug)]
        $visibility struct $name {}

        $(#[$attribute])*
        #[expect(unsafe_code, reason = "the template below is of this type")]
        $visibility static $name: $crate::cell::PerCpuCell<$value, $name> =
            // SAFETY: the place's template is a value of this type.
            unsafe { $crate::cell::PerCpuCell::of_static($name {}) };

        #[expect(unsafe_code, reason = "instructions on this static's copies, and its place in the template")]
        const _: () = {
            #[unsafe(link_section = ".data..percpu")]
            static TEMPLATE: $crate::cell::Template<$value> = $crate::cell::Template::new($initial);

            $crate::place!($name, this, {
                let offset: usize;
                // SAFETY: only computes an address: units have the template's layout from offset 0 on.
                unsafe {
                    ::core::arch::asm!("lea {offset}, [rip + {place}]", place = sym TEMPLATE,
                        offset = lateout(reg) offset, options(nomem, nostack, preserves_flags, pure))
                };
                offset
            }, sym TEMPLATE);
        };
    )+};
}
