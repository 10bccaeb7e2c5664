//! Who asks where, and what of a CPU that is off can be read and changed.

use userlib::abi::Handle;
use userlib::abi::syscall::CpuMask;
use userlib::checks::Checks;
use userlib::thread::{self, Place, Thread};
use userlib::{machine, percpu};

use crate::helpers::{off, on};

percpu! {
    static WORDS: PerCpuCell<u64> = 7;
    static BYTES: PerCpuCell<u8> = 7;
}

/// Checks everything in this file.
pub fn check(checks: &mut Checks, machine: Handle) {
    for cpu in machine::online().skip(1) {
        units(checks, machine, cpu);
    }
    under_oneself(checks, machine);
    each_other(checks, machine);
}

/// The units of a CPU that is off stay as they are.
fn units(checks: &mut Checks, machine: Handle, cpu: usize) {
    let set = thread::spawn(Place::Cpu(cpu), move || {
        WORDS.set(100 + cpu as u64);
        BYTES.set(cpu as u8);
        0
    });
    checks.equal("unit-set", set.and_then(Thread::join), Ok(0));
    let sum = WORDS.sum();
    checks.equal("unit-off", off(machine, cpu), Ok(()));
    checks.equal(
        "unit-stays",
        (WORDS.on(cpu), BYTES.on(cpu), WORDS.sum()),
        (Some(100 + cpu as u64), Some(cpu as u8), sum),
    );
    let other = WORDS.exchange_parked(cpu, 1, 2);
    checks.equal("exchange-other", other, Ok(Err(100 + cpu as u64)));
    let changed = WORDS.exchange_parked(cpu, 100 + cpu as u64, 200);
    checks.equal("exchange", changed, Ok(Ok(100 + cpu as u64)));
    checks.equal(
        "exchange-byte",
        BYTES.exchange_parked(cpu, cpu as u8, 99),
        Ok(Ok(cpu as u8)),
    );
    checks.equal("unit-on", on(machine, cpu), Ok(()));
    let seen = thread::spawn(Place::Cpu(cpu), || WORDS.get() + u64::from(BYTES.get()));
    checks.equal("unit-is-the-same", seen.and_then(Thread::join), Ok(299));
}

/// Who runs on the CPU that is to go moves first: one that may run anywhere, and one that is bound to it loosely.
fn under_oneself(checks: &mut Checks, machine: Handle) {
    let cpu = machine::online_cpus() - 1;
    let here = CpuMask::only(cpu);
    for name in ["off-under-a-loose-one", "off-under-a-free-one"] {
        let asked = thread::spawn(Place::Anywhere, move || {
            if thread::bind_self_loosely(&here).is_err() || machine::this_cpu_hint() != cpu {
                return 1;
            }
            if name.ends_with("free-one") && thread::bind_self(&CpuMask::ALL).is_err() {
                return 2;
            }
            u64::from(off(machine, cpu).is_err()) * 3 + u64::from(machine::this_cpu_hint() == cpu) * 4
        });
        checks.equal(name, asked.and_then(Thread::join), Ok(0));
        checks.equal(name, machine::is_online(cpu), false);
        checks.equal(name, on(machine, cpu), Ok(()));
    }
}

/// Two threads take each other's CPU off at the same time, and bring it back.
fn each_other(checks: &mut Checks, machine: Handle) {
    if machine::online_cpus() < 3 {
        return;
    }
    let fight = |own: usize, other: usize| {
        thread::spawn(Place::Anywhere, move || {
            let mut wrong = 0;
            for _ in 0..8 {
                let _ = thread::bind_self_loosely(&CpuMask::only(own));
                wrong += u64::from(off(machine, other).is_err());
                wrong += u64::from(on(machine, other).is_err());
            }
            wrong
        })
    };
    let threads = [fight(1, 2), fight(2, 1)];
    let wrong = threads.map(|thread| thread.and_then(Thread::join));
    checks.equal("off-each-other", wrong, [Ok(0); 2]);
}
