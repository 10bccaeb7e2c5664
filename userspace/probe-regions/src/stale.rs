//! A CPU that runs nothing but one thread has no reason of its own to forget a translation.

use core::sync::atomic::{AtomicU64, Ordering};

use userlib::abi::PAGE_SIZE;
use userlib::abi::syscall::CpuMask;
use userlib::checks::Checks;
use userlib::machine;
use userlib::percpu::{Error, Populate, Region};
use userlib::sync::Mutex;
use userlib::thread::{self, Place, Thread};

static REGION: Mutex<Option<Region>> = Mutex::new(None);
/// How far the two threads are: the other one acts at odd numbers.
static STAGE: AtomicU64 = AtomicU64::new(0);

/// A thread on another CPU uses a reserved page, then the dynamic page that takes its place.
pub fn check(checks: &mut Checks) {
    let mut others = machine::online().skip(1);
    let Some(other) = others.next() else {
        return;
    };
    let bound = thread::bind_self(&CpuMask::only(0));
    checks.equal("stale-bound", bound, Ok(()));
    let user = thread::spawn(Place::Cpu(other), add_twice);
    checks.equal("stale-reserved", round(Region::reserve(PAGE_SIZE, 0), 1), Ok(1));
    let second = round(Region::create(PAGE_SIZE, Populate::All, "stale"), 3);
    checks.equal("stale-translation-is-gone", second, Ok(1));
    checks.equal("stale-user", user.and_then(Thread::join), Ok(0));
    checks.equal("stale-unbound", thread::bind_self(&CpuMask::ALL), Ok(()));
}

/// Lets the other thread add to the region; what all copies have then.
fn round(region: Result<Region, Error>, stage: u64) -> Result<u64, Error> {
    *REGION.lock() = Some(region?);
    STAGE.store(stage, Ordering::SeqCst);
    wait_for(stage + 1);
    let Some(region) = REGION.lock().take() else {
        return Ok(0);
    };
    let sum = region.cell::<u64>(0).map_or(0, |cell| cell.sum());
    region.destroy()?;
    Ok(sum)
}

/// Makes no system call between the two additions: the kernel would load the page table again.
fn add_twice() -> u64 {
    for stage in [1, 3] {
        wait_for(stage);
        if let Some(cell) = REGION.lock().as_ref().and_then(|region| region.cell::<u64>(0)) {
            cell.increment();
        }
        STAGE.store(stage + 1, Ordering::SeqCst);
    }
    0
}

fn wait_for(stage: u64) {
    while STAGE.load(Ordering::SeqCst) != stage {
        core::hint::spin_loop();
    }
}
