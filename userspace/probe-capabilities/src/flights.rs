//! Copies that are taken back before they have arrived: made on some CPUs while another one takes back all the time. What a
//! copy comes to is told by its handle: once somebody has begun to take back and has finished, it is none any more.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use userlib::abi::syscall::CpuMask;
use userlib::abi::{Handle, Rights};
use userlib::checks::Checks;
use userlib::ipc;
use userlib::notification::Notification;
use userlib::thread::{self, Place};
use userlib::{Refusal, machine, process};

/// Most CPUs that copy.
const MOST: usize = 3;
/// Copies in a row, and how often.
const IN_A_ROW: usize = 8;
const ROWS: u64 = 400;

/// How often everything was taken back.
static TAKEN: AtomicU64 = AtomicU64::new(0);
/// Threads that are done.
static DONE: AtomicU64 = AtomicU64::new(0);

/// Checks everything in this file.
pub fn check(checks: &mut Checks) -> Result<(), Refusal> {
    DONE.store(0, SeqCst);
    let root = Notification::create()?.0;
    thread::bind_self(&CpuMask::only(0))?;
    let mut threads = [const { None }; MOST];
    for (cpu, slot) in machine::online().skip(1).zip(&mut threads) {
        *slot = Some(thread::spawn(Place::Cpu(cpu), move || escaped(root))?);
    }
    while DONE.load(SeqCst) < threads.iter().flatten().count() as u64 {
        ipc::revoke(root)?;
        TAKEN.fetch_add(1, SeqCst);
    }
    for thread in threads.into_iter().flatten() {
        checks.equal("none-escapes-on-its-way", thread.join(), Ok(0));
    }
    thread::bind_self(&CpuMask::ALL)?;
    ipc::drop_capability(root)
}

/// How many copies were still there when they should have been taken back.
fn escaped(root: Handle) -> u64 {
    let row = || {
        let made: [_; IN_A_ROW] =
            core::array::from_fn(|_| process::grant(process::own(), root, Rights::ALL, 0).ok());
        let before = TAKEN.load(SeqCst);
        // The next end may be of what had begun before.
        while TAKEN.load(SeqCst) < before + 2 {
            core::hint::spin_loop();
        }
        let alive = |handle: &Handle| ipc::drop_capability(*handle).is_ok();
        made.into_iter().flatten().filter(alive).count() as u64
    };
    let escaped = (0..ROWS).map(|_| row()).sum();
    DONE.fetch_add(1, SeqCst);
    escaped
}
