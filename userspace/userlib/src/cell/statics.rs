//! Per-CPU statics: their initial values in the template, and the macro that declares them.

use core::cell::UnsafeCell;

use super::pair::{PairPlace, Words};
use super::place::Place;
use super::value::Value;
use super::{PerCpuCell, PerCpuPair};

/// Bytes of a page: the strictest alignment of a per-CPU static.
const PAGE: usize = abi::PAGE_SIZE as usize;

/// The initial value of a per-CPU static, in the template: copied to every unit before the program starts,
/// and never touched again.
#[doc(hidden)]
#[repr(transparent)]
#[derive(Debug)]
pub struct Template<T>(UnsafeCell<T>);

// SAFETY: no Rust code reads or writes it; it exists so that the linker lays it out.
unsafe impl<T> Sync for Template<T> {}

impl<T: Value> Template<T> {
    /// A template of this value.
    pub const fn new(value: T) -> Self {
        const { assert!(size_of::<T>() == size_of::<T::Word>(), "the value is no word") };
        const { assert!(align_of::<T>() == align_of::<T::Word>(), "the value is no word") };
        Template(UnsafeCell::new(value))
    }
}

impl<T: Sync> Template<T> {
    /// A template of a value that is used by reference.
    pub const fn shared(value: T) -> Self {
        const { assert!(align_of::<T>() <= PAGE, "a unit is aligned to pages only") };
        Template(UnsafeCell::new(value))
    }
}

impl Template<Words> {
    /// A template of two words.
    pub const fn pair(value: [u64; 2]) -> Self {
        Template(UnsafeCell::new(Words(value)))
    }
}

impl<T: Value, P: Place<T::Word>> PerCpuCell<T, P> {
    /// For [`percpu!`](crate::percpu!) alone.
    ///
    /// # Safety
    /// A `T` lies at the place.
    #[doc(hidden)]
    pub const unsafe fn of_static(place: P) -> Self {
        PerCpuCell::at(place)
    }
}

impl<P: PairPlace> PerCpuPair<P> {
    /// For [`percpu!`](crate::percpu!) alone.
    ///
    /// # Safety
    /// A [`Words`] lies at the place.
    #[doc(hidden)]
    pub const unsafe fn of_static(place: P) -> Self {
        PerCpuPair::at(place)
    }
}

/// Declares per-CPU statics. Each gets a copy in every CPU's unit, with the given value before the program
/// starts.
///
/// ```ignore
/// percpu! {
///     static HITS: PerCpuCell<u64> = 0;
///     static HEAD: PerCpuPair = [0, 0];
///     static JOBS: PerCpu<Mutex<Jobs>> = Mutex::new(Jobs::new());
///     static SCRATCH: PerCpuSlot<[u8; 256]> = [0; 256];
/// }
/// ```
#[macro_export]
macro_rules! percpu {
    ($($(#[$attribute:meta])* $visibility:vis static $name:ident: $kind:ident $(<$value:ty>)? = $initial:expr;)+) => {$(
        #[doc(hidden)]
        #[allow(non_camel_case_types, reason = "the place shares the static's name, in the namespace of types")]
        #[derive(Clone, Copy, Debug)]
        $visibility struct $name {}

        $(#[$attribute])*
        #[expect(unsafe_code, reason = "the template below is of this type")]
        $visibility static $name: $crate::$kind<$($value,)? $name> =
            // SAFETY: the place's template is such a value.
            unsafe { $crate::$kind::of_static($name {}) };

        #[expect(unsafe_code, reason = "instructions on this static's copies, and its place in the template")]
        const _: () = {
            $crate::percpu!(@template $name $kind $(<$value>)? = $initial);

            // SAFETY: units have the template's layout from offset 0 on, and the linker aligns.
            unsafe impl $crate::cell::Located for $name {
                #[inline(always)]
                fn offset(&self, _: $crate::cell::Seal) -> usize {
                    let offset: usize;
                    // SAFETY: only computes an address.
                    unsafe {
                        ::core::arch::asm!("lea {offset}, [rip + {place}]", place = sym TEMPLATE,
                            offset = lateout(reg) offset, options(nomem, nostack, preserves_flags, pure))
                    };
                    offset
                }
            }
        };
    )+};
    (@template $name:ident PerCpuCell<$value:ty> = $initial:expr) => {
        #[unsafe(link_section = ".data..percpu")]
        static TEMPLATE: $crate::cell::Template<$value> = $crate::cell::Template::new($initial);
        $crate::place!($name, this, sym TEMPLATE);
    };
    (@template $name:ident PerCpuPair = $initial:expr) => {
        #[unsafe(link_section = ".data..percpu")]
        static TEMPLATE: $crate::cell::Template<$crate::cell::Words> = $crate::cell::Template::pair($initial);
        $crate::pair_place!($name, this, load: (sym TEMPLATE), exchange: "{place}" (place = sym TEMPLATE));
    };
    (@template $name:ident PerCpu<$value:ty> = $initial:expr) => {
        $crate::percpu!(@shared $value, $initial, INITIAL, $value);
    };
    (@template $name:ident PerCpuSlot<$value:ty> = $initial:expr) => {
        $crate::percpu!(@shared $value, $initial, $crate::slot::Owned::new(INITIAL), $crate::slot::Owned<$value>);
    };
    // By way of a constant, since every unit gets a value of its own.
    (@shared $value:ty, $initial:expr, $whole:expr, $type:ty) => {
        #[allow(clippy::declare_interior_mutable_const, reason = "one value for each unit")]
        const INITIAL: $value = $initial;
        #[unsafe(link_section = ".data..percpu")]
        static TEMPLATE: $crate::cell::Template<$type> = $crate::cell::Template::shared($whole);
    };
}
