//! Calls on threads.

use alloc::sync::Arc;

use abi::syscall::{ANY_CPU, CpuMask, End};
use abi::{Handle, Rights, Status};

use super::cpus::possible;
use super::one;
use super::process::process_or_thread;
use crate::boot::smp;
use crate::cpu::apic;
use crate::cpu::frame::Frame;
use crate::memory::address_space::USER_END;
use crate::memory::heap;
use crate::object::capability::Copying;
use crate::object::thread::{Affinity, Thread};
use crate::object::{Capability, Object, Process, Running};
use crate::refusal::{Answer, DONE, Refusal, require};
use crate::schedule;

/// `ThreadCreate`: `[process: MANAGE, entry, stack, argument, cpu]`.
pub fn create(caller: &Process, words: &[u64; 9]) -> Answer {
    let [process, entry, stack, argument, cpu, ..] = *words;
    let process = caller.look_up(process, Rights::MANAGE, Object::as_process)?;
    require(entry < USER_END && stack <= USER_END, Status::BadAddress)?;
    let mask = decode_cpu(cpu)?;
    let thread = process.add_thread(Frame::user(entry, stack, argument), mask)?;
    match caller.insert(Capability::all(Object::Thread(thread.share()))) {
        Ok(handle) => {
            schedule::start(thread);
            one(handle)
        }
        Err(refusal) => {
            process.forget_thread(thread.thread());
            Err(refusal)
        }
    }
}

fn decode_cpu(word: u64) -> Result<CpuMask, Refusal> {
    if word == ANY_CPU {
        return Ok(CpuMask::ALL);
    }
    let cpu = possible(word)?;
    require(smp::is_online(cpu), Status::NotOnline)?;
    Ok(CpuMask::only(cpu.index()))
}

/// `ThreadExit`: `[code]`.
pub fn exit(caller: Running, words: &[u64; 9]) {
    caller
        .process()
        .end_thread(caller.thread(), End::Exited(words[0]));
    schedule::leave(caller);
}

fn thread_or_caller(caller: &Running, handle: u64) -> Result<Arc<Thread>, Refusal> {
    match handle {
        0 => Ok(caller.share()),
        handle => caller
            .process()
            .look_up(handle, Rights::MANAGE, Object::as_thread),
    }
}

/// `ThreadPriority`: `[thread: MANAGE, or 0 for the caller, priority, is floor]`.
pub fn priority(caller: &mut Running, words: &[u64; 9]) -> Answer {
    let [handle, priority, is_floor, ..] = *words;
    let thread = thread_or_caller(caller, handle)?;
    caller.process().priorities.check(priority)?;
    require(is_floor <= 1, Status::BadArgument)?;
    thread.set_floor(is_floor == 1);
    if core::ptr::eq(&*thread, caller.thread()) {
        caller.raise(priority);
    } else {
        thread.set_priority(priority);
        schedule::change_priority(&thread);
    }
    DONE
}

/// `ThreadFaults`: `[thread or process: MANAGE, or 0 for the caller, endpoint: SEND, or 0 for none]`.
pub fn faults(caller: &Running, words: &[u64; 9]) -> Answer {
    let [whose, endpoint, ..] = *words;
    let process = caller.process();
    let whose = match Handle(whose) {
        Handle::NONE => Object::Thread(caller.share()),
        Handle(_) => process.look_up(words[0], Rights::MANAGE, process_or_thread)?,
    };
    let handler = match &whose {
        Object::Thread(thread) => &thread.handler,
        Object::Process(process) => &process.handler,
        _ => return Err(Status::WrongKind.into()),
    };
    let told = match Handle(endpoint) {
        Handle::NONE => None,
        handle => {
            let _payer = heap::charge_to(&process.account);
            let mut table = process.table();
            table.look_up(handle, Rights::SEND, Object::as_endpoint)?;
            Some(table.derive(handle, Copying::exactly(), process)?)
        }
    };
    handler.set(told);
    DONE
}

/// `ThreadAffinity`: `[thread: MANAGE or 0 for the caller, mask × 4, loosely]`. A running thread that may not stay
/// where it is moves when its CPU leaves the kernel, a waiting one when it is woken.
pub fn affinity(caller: &Running, words: &[u64; 9]) -> Answer {
    let [handle, a, b, c, d, loosely, ..] = *words;
    let thread = thread_or_caller(caller, handle)?;
    let mask = CpuMask([a, b, c, d]);
    require(loosely <= 1, Status::BadArgument)?;
    require(schedule::is_any_online(&mask), Status::NotOnline)?;
    let is_loose = loosely == 1;
    thread.set_affinity(Affinity { mask, is_loose });
    // It may have been suspended since all CPUs that it was bound to are off.
    schedule::reconsider(&thread);
    if let Some(cpu) = thread
        .cpu()
        .filter(|cpu| !mask.contains(cpu.index()) && !core::ptr::eq(&*thread, caller.thread()))
    {
        apic::send_ipi(cpu, apic::WAKE_VECTOR as u8);
    }
    DONE
}
