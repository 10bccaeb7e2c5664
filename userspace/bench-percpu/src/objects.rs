//! What is allocated and freed: a pair of both.

use userlib::allocator::{AllocateError, Allocator};
use userlib::sync::Once;
use userlib::{PerCpuBox, PerCpuSlab};

use crate::clock::each;

static ALLOCATOR: Once<Allocator> = Once::new();
static SLAB: Once<PerCpuSlab<'static, u64>> = Once::new();

/// Measures and prints.
pub fn report() -> Result<(), AllocateError> {
    let allocator = ALLOCATOR.try_call_once(Allocator::new)?;
    let slab = SLAB.try_call_once(|| PerCpuSlab::new(allocator))?;
    crate::report("slab-pair", each!(slab.allocate(1)));
    crate::report("box-pair", each!(PerCpuBox::new(allocator, 0u64)));
    crate::report("area-8-pair", each!(allocator.allocate(8, 8)));
    crate::report("area-64-pair", each!(allocator.allocate(64, 8)));
    crate::report("area-1024-pair", each!(allocator.allocate(1024, 8)));
    Ok(())
}
