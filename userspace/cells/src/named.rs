//! Each operation in a function with a name of its own, so that a disassembly can be checked. `cells_static_*` use
//! a static, `cells_offset_*` a cell whose offset comes in a register.

use userlib::cell::Offset;
use userlib::{PerCpuCell, PerCpuPair, percpu};

percpu! {
    static WORD: PerCpuCell<u64> = 0;
    static FLAG: PerCpuCell<bool> = false;
    static PAIR: PerCpuPair = [0, 0];
}

/// One function for each operation.
macro_rules! named {
    ($($(#[$attribute:meta])* $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? $body:block)+) => {$(
        #[unsafe(no_mangle)]
        #[inline(never)]
        $(#[$attribute])*
        pub extern "C" fn $name($($argument: $type),*) $(-> $result)? $body
    )+};
}

named! {
    cells_static_get() -> u64 { WORD.get() }
    cells_static_set(value: u64) { WORD.set(value); }
    cells_static_add(value: u64) { WORD.add(value); }
    cells_static_add_const() { WORD.add_const::<{ -5 }>(); }
    cells_static_sub(value: u64) { WORD.sub(value); }
    cells_static_increment() { WORD.increment(); }
    cells_static_and(value: u64) { WORD.and(value); }
    cells_static_or(value: u64) { WORD.or(value); }
    cells_static_xor(value: u64) { WORD.xor(value); }
    cells_static_fetch_add(value: u64) -> u64 { WORD.fetch_add(value) }
    cells_static_compare_exchange(from: u64, to: u64) -> bool { WORD.compare_exchange(from, to).is_ok() }
    cells_static_flip(value: bool) { FLAG.xor(value); }
    cells_static_pair(from: u64, to: u64) -> bool { PAIR.compare_exchange([from, to], [to, from]).is_ok() }
    cells_offset_add_const(cell: &PerCpuCell<u64, Offset<'_>>) { cell.add_const::<1000>(); }
    cells_offset_xor(cell: &PerCpuCell<u64, Offset<'_>>, value: u64) { cell.xor(value); }
    cells_offset_fetch_add(cell: &PerCpuCell<u64, Offset<'_>>, value: u64) -> u64 { cell.fetch_add(value) }
    cells_offset_compare_exchange(cell: &PerCpuCell<u64, Offset<'_>>, from: u64) -> bool {
        cell.compare_exchange(from, 0).is_ok()
    }
    cells_offset_pair(pair: &PerCpuPair<Offset<'_>>, from: u64, to: u64) -> bool {
        pair.compare_exchange([from, to], [to, from]).is_ok()
    }
}

/// Does every operation once; whether all did what they say. The thread is bound to a CPU meanwhile.
pub fn demonstrate(cell: &PerCpuCell<u64, Offset<'_>>, pair: &PerCpuPair<Offset<'_>>) -> bool {
    cells_static_set(12);
    cells_static_add(8);
    cells_static_sub(4);
    cells_static_increment();
    cells_static_add_const();
    cells_static_or(0x10);
    cells_static_xor(3);
    cells_static_and(0x1e);
    let statics = cells_static_fetch_add(1) == 0x1e
        && cells_static_compare_exchange(0x1f, 2)
        && cells_static_get() == 2;
    cells_static_flip(true);
    cells_offset_add_const(cell);
    cells_offset_xor(cell, 1);
    let offsets = cells_offset_fetch_add(cell, 4) == 1001 && cells_offset_compare_exchange(cell, 1005);
    let pairs = cells_static_pair(0, 0) && !cells_static_pair(1, 0) && cells_offset_pair(pair, 0, 0);
    statics && FLAG.get() && offsets && pairs
}
