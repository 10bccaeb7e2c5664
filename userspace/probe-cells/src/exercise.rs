//! One cell and one ordinary value, side by side.

/// Does every operation on a cell of an integer type, with operands that reach its borders, and the same on an
/// ordinary value; whether they stay equal. The thread has to be bound to a CPU meanwhile.
macro_rules! exercise {
    ($integer:ident, $cell:expr) => {{
        let cell = $cell;
        let mut value = cell.get();
        let mut right = true;
        for operand in [
            0,
            1,
            3,
            $integer::MAX,
            $integer::MIN,
            $integer::MAX / 3,
            $integer::MIN / 5,
        ] {
            cell.add(operand);
            value = value.wrapping_add(operand);
            right &= cell.get() == value;
            cell.add_const::<-3>();
            value = value.wrapping_sub(3);
            right &= cell.get() == value;
            cell.add_const::<127>();
            value = value.wrapping_add(127);
            right &= cell.get() == value;
            cell.increment();
            value = value.wrapping_add(1);
            right &= cell.get() == value;
            right &= cell.fetch_add(operand) == value;
            value = value.wrapping_add(operand);
            cell.sub(operand ^ 7);
            value = value.wrapping_sub(operand ^ 7);
            right &= cell.get() == value;
            cell.xor(operand);
            value ^= operand;
            right &= cell.get() == value;
            cell.or(operand >> 1);
            value |= operand >> 1;
            right &= cell.get() == value;
            cell.and(!operand);
            value &= !operand;
            right &= cell.get() == value;
            right &= cell.compare_exchange(value ^ 1, operand) == Err(value) && cell.get() == value;
            right &= cell.compare_exchange(value, operand) == Ok(value) && cell.get() == operand;
            cell.set(operand ^ 0x55);
            value = operand ^ 0x55;
            right &= cell.get() == value;
        }
        let here = userlib::machine::this_cpu_hint();
        right && cell.on(here) == Some(value)
    }};
}
