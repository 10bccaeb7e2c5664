//! An area, for constructors that nobody calls here.

use crate::cell::{Offset, PerCpuCell, Place, Value};

pub struct Area<'r>(&'r ());

impl Area<'_> {
    pub fn cell<'r, T: Value>(&'r self, _: usize) -> Option<PerCpuCell<T, Offset<'r>>>
    where
        Offset<'r>: Place<T::Word>,
    {
        None
    }
}
