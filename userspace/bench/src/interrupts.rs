//! An interrupt of a device, to its driver and back to whom it interrupted.
//!
//! The device is the PC's timer; the driver is a thread of a higher priority on the same CPU. The thread that measures reads
//! the counter all the time, and sees a gap.

use core::sync::atomic::{AtomicU64, Ordering};

use userlib::Refusal;
use userlib::abi::Handle;
use userlib::checks::Checks;
use userlib::device::{Interrupt, Ports, pit};
use userlib::notification::Notification;
use userlib::thread::{self, Place};

use crate::HIGHEST;
use crate::samples::Samples;
use crate::stopwatch;

/// Measured interrupts.
const ROUNDS: usize = 64;
/// From one to the next: a fifth of a millisecond.
const TICKS: u16 = (pit::HERTZ / 5000) as u16;

/// Interrupts that the driver has handled.
static HANDLED: AtomicU64 = AtomicU64::new(0);

/// The row `interrupt`.
pub fn measure(checks: &mut Checks, samples: &mut Samples) -> Result<(), Refusal> {
    let notification = Notification::create()?;
    let driver = thread::spawn(Place::Cpu(0), move || {
        if thread::set_priority(Handle::NONE, HIGHEST).is_err() {
            return 1;
        }
        while notification.wait() == Ok(1) {
            HANDLED.fetch_add(1, Ordering::Relaxed);
        }
        0
    })?;
    Interrupt::given().bind(notification, 1)?;
    let idle = undisturbed();
    pit::start(Ports::given(), TICKS)?;
    // The first ones find nothing where it belongs yet.
    (0..ROUNDS / 4).for_each(|_| {
        gap();
    });
    samples.measure_parts(checks, "interrupt", (ROUNDS, 1), || {
        (gap() + stopwatch::empty()).saturating_sub(idle)
    });
    pit::stop(Ports::given())?;
    notification.signal(2)?;
    driver.join().map(drop)
}

/// The same without an interrupt.
fn undisturbed() -> u64 {
    let mut last = turn();
    let mut least = u64::MAX;
    for _ in 0..ROUNDS {
        let now = turn();
        let passed = now.1.wrapping_sub(last.1);
        if now.0 == last.0 {
            least = least.min(passed);
        }
        last = now;
    }
    least
}

/// The time from one reading to the next when an interrupt was handled between them: just before the driver's count was
/// looked at, or behind it, so that it was seen only the next time.
fn gap() -> u64 {
    let mut last = turn();
    let mut before = 0;
    loop {
        let now = turn();
        let passed = now.1.wrapping_sub(last.1);
        if now.0 != last.0 {
            return passed.max(before);
        }
        (last, before) = (now, passed);
    }
}

/// The driver's count, and then a reading.
#[inline(never)]
fn turn() -> (u64, u64) {
    (HANDLED.load(Ordering::Relaxed), stopwatch::now())
}
