//! Marks for the witness outside of the machine: see [`abi::mark`]. Without a witness they do nothing.

use core::arch::asm;

use abi::mark;

macro_rules! bare_mark {
    ($name:ident, $what:literal, $mark:expr) => {
        #[doc = $what]
        #[inline(always)]
        pub fn $name() {
            // SAFETY: a mark does nothing.
            unsafe { asm!(".byte 0x0f, 0x1f, 0x80", ".long {mark}", mark = const $mark, options(nostack)) };
        }
    };
}

bare_mark!(
    row,
    "What is seen from here on belongs to the next row.",
    mark::ROW
);
bare_mark!(rest, "What is seen from here on belongs to no row.", mark::REST);
