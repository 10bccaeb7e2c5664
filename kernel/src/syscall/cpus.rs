//! Calls on CPUs.

use alloc::sync::Arc;

use abi::syscall::CpuMask;
use abi::{Registers, Rights, Status};
use percpu_core::CpuId;

use crate::boot::firmware;
use crate::cpu;
use crate::hotplug;
use crate::object::thread::Affinity;
use crate::object::{Object, Process, Running};
use crate::refusal::{Answer, DONE, Refusal, require};
use crate::schedule;

/// `CpuOffline`: `[machine: WRITE, cpu]`. A thread that runs there goes elsewhere first, and asks there again.
pub fn offline(mut caller: Running, words: &[u64; 9]) {
    let cpu = match machine_and_cpu(caller.process(), words) {
        Ok(cpu) => cpu,
        Err(refusal) => return schedule::finish(caller, Err(refusal)),
    };
    if cpu != cpu::this_cpu() {
        let answer = hotplug::take_off(cpu).and(DONE);
        return schedule::finish(caller, answer);
    }
    match hotplug::may_go(cpu).and_then(|()| another_than(&mut caller, cpu)) {
        Err(refusal) => schedule::finish(caller, Err(refusal)),
        Ok(other) => {
            caller.context().frame.call_again();
            schedule::make_ready_on(other, caller.park());
            schedule::dispatch();
        }
    }
}

/// Another CPU on which a thread may run. One that is bound to this CPU alone, but loosely, may run anywhere from now on.
fn another_than(thread: &mut Running, cpu: CpuId) -> Result<CpuId, Refusal> {
    let priority = thread.settle_priority();
    let Affinity { mut mask, is_loose } = thread.thread().affinity();
    mask.remove(cpu.index());
    if let Some(other) = schedule::least_loaded(&mask, cpu, priority) {
        return Ok(other);
    }
    require(is_loose, Status::BadArgument)?;
    thread.thread().set_affinity(Affinity {
        mask: CpuMask::ALL,
        is_loose: false,
    });
    mask = CpuMask::ALL;
    mask.remove(cpu.index());
    schedule::least_loaded(&mask, cpu, priority).ok_or_else(|| Status::BadArgument.into())
}

/// `CpuOnline`: `[machine: WRITE, cpu]`.
pub fn online(caller: &Process, words: &[u64; 9]) -> Answer {
    let cpu = machine_and_cpu(caller, words)?;
    hotplug::bring_back(cpu).and(DONE)
}

fn machine_and_cpu(caller: &Process, words: &[u64; 9]) -> Result<CpuId, Refusal> {
    caller.look_up(words[0], Rights::WRITE, Object::as_machine)?;
    possible(words[1])
}

/// A CPU by its number.
pub fn possible(word: u64) -> Result<CpuId, Refusal> {
    let count = firmware::topology().cpu_count() as u64;
    require(word < count, Status::BadArgument)?;
    Ok(CpuId::new(word as u16))
}

/// `CpuNotice`: `[machine: READ, notification: SEND, gone, come]`.
pub fn notice(caller: &Process, words: &[u64; 9]) -> Answer {
    let [machine, notification, gone, come, ..] = *words;
    caller.look_up(machine, Rights::READ, Object::as_machine)?;
    let notification = caller.look_up(notification, Rights::SEND, Object::as_notification)?;
    require(gone | come != 0, Status::BadArgument)?;
    notification.tell_of_cpus([gone, come])?;
    DONE
}

/// `ParkedExchange`: `[cpu, byte offset, bytes, expected, new]`.
pub fn parked_exchange(caller: &Arc<Process>, words: &[u64; 9]) -> Answer {
    let [cpu, offset, bytes, expected, new, ..] = *words;
    let cpu = possible(cpu)?;
    require(matches!(bytes, 1 | 2 | 4 | 8), Status::BadArgument)?;
    let fits = |word: u64| bytes == 8 || word >> (8 * bytes) == 0;
    require(fits(expected) && fits(new), Status::BadArgument)?;
    require(offset.is_multiple_of(bytes), Status::Misaligned)?;
    let space = caller.living_space()?;
    let found = hotplug::while_off(cpu, || {
        space.exchange_in_window(cpu, offset, bytes, [expected, new])
    })?;
    Ok(Registers::of(&[found]))
}
