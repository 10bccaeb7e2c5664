//! What a per-CPU cell can hold.

use core::ptr::with_exposed_provenance_mut;
use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

/// The width of an operation: an unsigned integer that one instruction reads or writes.
pub trait Word: Copy + Eq + Default + sealed::Sealed {
    /// The sum, wrapping around.
    #[must_use]
    fn wrapping_add(self, other: Self) -> Self;

    /// As a word of 64 bits, zeros in front.
    #[must_use]
    fn to_u64(self) -> u64;

    /// The lowest bits of a word.
    #[must_use]
    fn from_u64(word: u64) -> Self;

    /// Reads a word that CPUs may be changing.
    ///
    /// # Safety
    /// `address` is mapped, aligned for the word, and is only accessed atomically or by single instructions.
    unsafe fn read(address: usize) -> Self;

    /// Writes a word that CPUs may be reading.
    ///
    /// # Safety
    /// As for `read`; the word is one of this program, and no other CPU changes it meanwhile.
    unsafe fn write(address: usize, value: Self);
}

mod sealed {
    pub trait Sealed {}
}

/// A value that a cell can hold: integers, `bool`, [`Pointer`], and whatever is a [`SmallEnum`].
///
/// `from_word` accepts every word, and gives the value back for which `to_word` gave it.
///
/// # Safety
/// The type has the size, the alignment and no padding more than its word.
pub unsafe trait Value: Copy + Send + 'static {
    /// The word of the same width.
    type Word: Word;

    /// As a word.
    fn to_word(self) -> Self::Word;

    /// From a word, whatever it is.
    fn from_word(word: Self::Word) -> Self;
}

/// A value of bits that can be changed one by one.
pub trait Bits: Value {}

/// A value with which one can reckon.
pub trait Integer: Bits {}

/// An enum (or the like) of one byte, so that a cell can hold it: one line for each way.
///
/// ```ignore
/// #[derive(Clone, Copy)]
/// #[repr(u8)]
/// enum State { Idle = 0, Busy = 1 }
///
/// impl SmallEnum for State {
///     fn to_byte(self) -> u8 { self as u8 }
///     fn from_byte(byte: u8) -> State { if byte == 1 { State::Busy } else { State::Idle } }
/// }
/// ```
///
/// A static of it begins with the enum's own byte, so `to_byte` should give just that (`#[repr(u8)]` and `as`).
pub trait SmallEnum: Copy + Send + 'static {
    /// Its byte.
    fn to_byte(self) -> u8;

    /// From its byte. Any byte may come, if the same place is also used as a cell of another type.
    fn from_byte(byte: u8) -> Self;
}

/// A thin pointer in a cell. It is an address and no borrow: what it points to, and whether it is still there,
/// is the program's business, as with [`core::sync::atomic::AtomicPtr`].
#[derive(Debug)]
#[repr(transparent)]
pub struct Pointer<T>(*mut T);

impl<T> Pointer<T> {
    /// Points nowhere.
    pub const NULL: Pointer<T> = Pointer(core::ptr::null_mut());

    /// This pointer.
    #[must_use]
    pub const fn new(pointer: *mut T) -> Self {
        Pointer(pointer)
    }

    /// As a pointer. Its provenance was exposed when it was stored.
    #[must_use]
    pub const fn get(self) -> *mut T {
        self.0
    }
}

impl<T> Copy for Pointer<T> {}

impl<T> Clone for Pointer<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> PartialEq for Pointer<T> {
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(self.0, other.0)
    }
}

impl<T> Eq for Pointer<T> {}

// SAFETY: an address; to follow it is unsafe for whoever does.
unsafe impl<T> Send for Pointer<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Pointer<T> {}

// SAFETY: a pointer to a sized type is a word.
unsafe impl<T: 'static> Value for Pointer<T> {
    type Word = u64;

    #[inline(always)]
    fn to_word(self) -> u64 {
        self.0.expose_provenance() as u64
    }

    #[inline(always)]
    fn from_word(word: u64) -> Self {
        Pointer(with_exposed_provenance_mut(word as usize))
    }
}

// SAFETY: the assertion; a byte that is an enum has no padding.
unsafe impl<E: SmallEnum> Value for E {
    type Word = u8;

    #[inline(always)]
    fn to_word(self) -> u8 {
        const { assert!(size_of::<E>() == 1, "a small enum is one byte") };
        self.to_byte()
    }

    #[inline(always)]
    fn from_word(word: u8) -> Self {
        E::from_byte(word)
    }
}

macro_rules! words {
    ($($word:ident as $atomic:ident),+) => {$(
        impl sealed::Sealed for $word {}

        impl Word for $word {
            fn wrapping_add(self, other: Self) -> Self {
                $word::wrapping_add(self, other)
            }

            fn to_u64(self) -> u64 {
                u64::from(self)
            }

            fn from_u64(word: u64) -> Self {
                word as $word
            }

            unsafe fn read(address: usize) -> Self {
                // SAFETY: the caller's obligation.
                unsafe { $atomic::from_ptr(with_exposed_provenance_mut(address)) }.load(Ordering::Relaxed)
            }

            #[inline]
            unsafe fn write(address: usize, value: Self) {
                // SAFETY: the caller's obligation.
                unsafe { $atomic::from_ptr(with_exposed_provenance_mut(address)) }.store(value, Ordering::Relaxed);
            }
        }
    )+};
}

words!(
    u8 as AtomicU8,
    u16 as AtomicU16,
    u32 as AtomicU32,
    u64 as AtomicU64
);

macro_rules! integers {
    ($($integer:ident as $word:ident),+) => {$(
        // SAFETY: integers of the same width.
        unsafe impl Value for $integer {
            type Word = $word;

            #[inline(always)]
            fn to_word(self) -> $word {
                self as $word
            }

            #[inline(always)]
            fn from_word(word: $word) -> Self {
                word as $integer
            }
        }

        impl Bits for $integer {}
        impl Integer for $integer {}
    )+};
}

integers!(u8 as u8, u16 as u16, u32 as u32, u64 as u64, usize as u64);
integers!(i8 as u8, i16 as u16, i32 as u32, i64 as u64, isize as u64);

impl Bits for bool {}

// SAFETY: a bool is a byte.
unsafe impl Value for bool {
    type Word = u8;

    #[inline(always)]
    fn to_word(self) -> u8 {
        u8::from(self)
    }

    #[inline(always)]
    fn from_word(word: u8) -> bool {
        word != 0
    }
}
