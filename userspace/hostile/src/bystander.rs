//! Those who must not notice: a thread on each CPU that counts in per-CPU cells and keeps a number in the FPU.

use core::arch::asm;
use core::sync::atomic::{AtomicBool, Ordering};

use userlib::checks::Checks;
use userlib::thread::{self, Place, Thread};
use userlib::{Refusal, machine, percpu, println};

percpu! {
    static COUNTED: PerCpuCell<u64> = 0;
}

static IS_OVER: AtomicBool = AtomicBool::new(false);
/// Most CPUs that are looked after.
const MOST: usize = 16;
/// Increments between two looks.
const STEPS: u64 = 2000;

/// The threads.
pub struct Bystanders {
    threads: [Option<Thread>; MOST],
    /// What was counted before.
    before: u64,
}

/// Starts them.
pub fn start() -> Result<Bystanders, Refusal> {
    IS_OVER.store(false, Ordering::Relaxed);
    let before = COUNTED.sum();
    let mut threads = [const { None }; MOST];
    for (cpu, slot) in machine::online().zip(&mut threads) {
        *slot = Some(thread::spawn(Place::Cpu(cpu), move || stand_by(cpu as u64))?);
    }
    Ok(Bystanders { threads, before })
}

/// Counts and computes until it is over. How many rounds; all ones if the FPU had another's number.
fn stand_by(cpu: u64) -> u64 {
    let expected = 0x1234_5678_9abc_0000 | cpu;
    let mut rounds = 0;
    while !IS_OVER.load(Ordering::Relaxed) {
        let kept: u64;
        // SAFETY: uses a register of the FPU, which compiled code does not.
        unsafe { asm!("movq xmm3, {}", in(reg) expected, options(nostack, nomem)) };
        (0..STEPS).for_each(|_| COUNTED.increment());
        thread::yield_now();
        // SAFETY: as above.
        unsafe { asm!("movq {}, xmm3", out(reg) kept, options(nostack, nomem)) };
        if kept != expected {
            return u64::MAX;
        }
        rounds += 1;
    }
    rounds
}

impl Bystanders {
    /// Ends them, and checks what they have.
    pub fn check(self, checks: &mut Checks) -> Result<(), Refusal> {
        IS_OVER.store(true, Ordering::Relaxed);
        let (mut rounds, mut wrong) = (0, 0);
        for thread in self.threads.into_iter().flatten() {
            match thread.join()? {
                u64::MAX => wrong += 1,
                own => rounds += own,
            }
        }
        println!("hostile: bystanders counted to {}", COUNTED.sum());
        checks.equal("bystanders-keep-the-fpu", wrong, 0);
        checks.equal(
            "bystanders-count-right",
            COUNTED.sum() - self.before,
            rounds * STEPS,
        );
        Ok(())
    }
}
