//! What the sequence in a stack's tag is for: a thread looks at the top object and at the one behind it, and before it
//! takes the top, others take both, and put the top back above another one.
//!
//! Then the top is the same, there are as many objects as before, and it is the same CPU. But the one that was
//! behind the top is in somebody's hands: if the thread made it the new top, somebody else would get it too.

use userlib::abi::syscall::CpuMask;
use userlib::checks::Checks;
use userlib::slab::SlabBox;
use userlib::sync::Once;
use userlib::{Allocator, PerCpuSlab, Refusal, thread};

/// Names of objects, by which their holders know them.
const TAKEN: u64 = 1;
const OTHER: u64 = 2;
const INTERRUPTED: u64 = 3;
const LATER: u64 = 4;

static ALLOCATOR: Once<Allocator> = Once::new();
static SLAB: Once<PerCpuSlab<'static, u64>> = Once::new();

pub fn check(checks: &mut Checks) {
    let bound = thread::bind_self(&CpuMask::only(0));
    checks.equal("sequence-bound", bound, Ok(()));
    let allocator = ALLOCATOR.try_call_once(Allocator::new);
    let slab = allocator.and_then(|allocator| SLAB.try_call_once(|| PerCpuSlab::new(allocator)));
    if let Some(slab) = checks.success("sequence-slab", slab) {
        let held = interrupt(slab);
        checks.equal("sequence-one-holder-each", held, Ok([TAKEN, INTERRUPTED, LATER]));
        checks.equal("sequence-intact", slab.verify(), Ok(()));
    }
    checks.equal("sequence-unbound", thread::bind_self(&CpuMask::ALL), Ok(()));
}

/// What three holders find in the objects that each took for itself.
fn interrupt(slab: &'static PerCpuSlab<'static, u64>) -> Result<[u64; 3], Refusal> {
    // Two free ones at least: the top, and the one behind it. And a third in the hands of somebody.
    let (first, second) = (slab.allocate(OTHER)?, slab.allocate(OTHER)?);
    let mut third = Some(slab.allocate(OTHER)?);
    drop((first, second));
    let mut taken: Option<SlabBox<'_, u64>> = None;
    let others = || {
        // Once is enough: the second look finds what is there.
        let Some(third) = third.take() else { return };
        let top = slab.allocate(OTHER).ok();
        taken = slab.allocate(TAKEN).ok();
        drop(third);
        drop(top);
    };
    let interrupted = slab.allocate_interrupted(INTERRUPTED, others)?;
    let later = slab.allocate(LATER)?;
    let found = taken.as_deref().copied().unwrap_or(0);
    Ok([found, *interrupted, *later])
}
