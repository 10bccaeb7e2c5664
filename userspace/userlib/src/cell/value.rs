//! What a per-CPU cell can hold.

use core::ptr::with_exposed_provenance_mut;
use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

/// The width of an operation: an unsigned integer that one instruction reads or writes.
pub trait Word: Copy + Eq + Default + sealed::Sealed {
    /// The sum, wrapping around.
    #[must_use]
    fn wrapping_add(self, other: Self) -> Self;

    /// Reads a word that CPUs may be changing.
    ///
    /// # Safety
    /// `address` is mapped, aligned for the word, and is only accessed atomically or by single instructions.
    unsafe fn read(address: usize) -> Self;
}

mod sealed {
    pub trait Sealed {}
}

/// A value that a cell can hold.
///
/// # Safety
/// 1. The type has the size, the alignment and no padding more than its word.
/// 2. `from_word` accepts every word, and gives the value back for which `to_word` gave it.
pub unsafe trait Value: Copy + Send + 'static {
    /// The word of the same width.
    type Word: Word;

    /// As a word.
    fn to_word(self) -> Self::Word;

    /// From a word, whatever it is.
    fn from_word(word: Self::Word) -> Self;
}

/// A value with which one can reckon.
pub trait Integer: Value {}

macro_rules! words {
    ($($word:ident as $atomic:ident),+) => {$(
        impl sealed::Sealed for $word {}

        impl Word for $word {
            fn wrapping_add(self, other: Self) -> Self {
                $word::wrapping_add(self, other)
            }

            unsafe fn read(address: usize) -> Self {
                // SAFETY: the caller's obligation.
                unsafe { $atomic::from_ptr(with_exposed_provenance_mut(address)) }.load(Ordering::Relaxed)
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
        // SAFETY: 1. integers of the same width. 2. the conversion keeps all bits, both ways.
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

        impl Integer for $integer {}
    )+};
}

integers!(u8 as u8, u16 as u16, u32 as u32, u64 as u64, usize as u64);
integers!(i8 as u8, i16 as u16, i32 as u32, i64 as u64, isize as u64);

// SAFETY: 1. a bool is a byte. 2. every byte but 0 becomes true.
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
