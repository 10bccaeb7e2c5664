//! Threads stay on the CPUs that they are bound to, and the window tells the truth about them.

use userlib::abi::syscall::CpuMask;
use userlib::abi::window::WINDOW_BASE;
use userlib::checks::Checks;
use userlib::thread::{self, Place};
use userlib::{machine, percpu};

percpu! {
    /// Set by the thread of each CPU.
    static VISITED: PerCpuCell<u32> = 0;
}

/// Checks everything in this file.
pub fn check(checks: &mut Checks) {
    geometry(checks);
    pinned(checks);
    moving(checks);
}

fn geometry(checks: &mut Checks) {
    let stride = machine::stride();
    let right = (0..machine::possible_cpus())
        .all(|cpu| machine::unit_base(cpu) == Some(WINDOW_BASE + cpu as u64 * stride));
    checks.that(
        "unit-bases",
        right,
        format_args!("a header page names another unit base"),
    );
    let nodes = machine::nodes() as u64;
    let known = (0..machine::possible_cpus()).all(|cpu| machine::node(cpu).is_some_and(|node| node < nodes));
    checks.that(
        "nodes",
        known,
        format_args!("a CPU is on a node that does not exist"),
    );
    checks.equal("online-cpus", machine::online().count(), machine::online_cpus());
    if let Some(geometry) = checks.success("hello", percpu::hello()) {
        checks.equal("geometry-stride", geometry.stride, stride);
        checks.equal(
            "geometry-cpus",
            geometry.possible_cpus,
            machine::possible_cpus() as u64,
        );
    }
}

/// How often in a row a thread found itself elsewhere.
fn strays(cpu: usize) -> u64 {
    let mut strays = 0;
    for _ in 0..200 {
        strays += u64::from(machine::this_cpu_hint() != cpu);
        VISITED.increment();
        thread::yield_now();
    }
    // So that no two CPUs' copies are alike.
    VISITED.add(cpu as u32);
    strays
}

fn pinned(checks: &mut Checks) {
    let mut lost = 0;
    for cpu in machine::online() {
        let thread = thread::spawn(Place::Cpu(cpu), move || strays(cpu));
        lost += thread.and_then(thread::Thread::join).unwrap_or(1);
    }
    checks.equal("pinned-threads-stay", lost, 0);
    let each = machine::online().all(|cpu| VISITED.on(cpu) == Some(200 + cpu as u32));
    checks.that(
        "one-copy-for-each-cpu",
        each,
        format_args!("a CPU's copy was counted by another"),
    );
}

fn moving(checks: &mut Checks) {
    let mut lost = 0;
    for _ in 0..20 {
        for cpu in machine::online() {
            let bound = thread::bind_self(&CpuMask::only(cpu));
            lost += u64::from(bound.is_err() || machine::this_cpu_hint() != cpu);
        }
    }
    checks.equal("a-bound-thread-moves-at-once", lost, 0);
    checks.equal("unbound-again", thread::bind_self(&CpuMask::ALL), Ok(()));
}
