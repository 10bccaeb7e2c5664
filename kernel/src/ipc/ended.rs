//! Receivers whose process has ended. Only a CPU itself touches those who wait on it, so every CPU on which one may wait is
//! asked to let go of them, once however many processes have ended.

use core::sync::atomic::{AtomicBool, Ordering};

use abi::syscall::CpuMask;

use super::requests::{self, Request};
use crate::boot::firmware;
use crate::cpu::{self, breath};
use crate::object::endpoints;
use crate::per_cpu;

per_cpu! {
    static IS_ASKED: AtomicBool = AtomicBool::new(false);
}

/// Lets go of those on these CPUs, on this one at once.
pub fn let_go(on: &CpuMask) {
    let cpus = firmware::topology().cpus();
    let cpus = cpus.filter(|cpu| on.contains(cpu.index()));
    breath::for_each(cpus, 1, |cpu| {
        if cpu == cpu::this_cpu() {
            endpoints::drop_ended();
        } else if !IS_ASKED.on(cpu).swap(true, Ordering::SeqCst)
            && requests::send(cpu, Request::LetGo).is_err()
        {
            // It has parked, and all who waited there wait elsewhere.
            IS_ASKED.on(cpu).store(false, Ordering::SeqCst);
        }
    });
}

/// This CPU was asked.
pub fn let_go_here() {
    IS_ASKED.local().store(false, Ordering::SeqCst);
    endpoints::drop_ended();
}
