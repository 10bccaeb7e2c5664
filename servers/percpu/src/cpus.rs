//! CPUs that go and come: the requests for that, and the server's own threads.

use abi::percpu::{INIT_BADGE, PercpuError};
use abi::syscall::CpuMask;
use abi::{Handle, Message, Status};
use alloc::vec::Vec;
use core::convert::Infallible;
use userlib::ipc::Endpoint;
use userlib::notification::Notification;
use userlib::thread::{self, Place, Thread};
use userlib::{Refusal, hotplug, machine, start};

use crate::{serve, with_service};

/// [`userlib::hotplug::take_off`] or its opposite.
pub type Change = fn(Handle, usize) -> Result<(), Refusal>;

/// Takes a CPU off or on. It takes a while, so the service is not locked meanwhile.
pub fn change(badge: u64, change: Change, cpu: u64) -> Message {
    let done = match badge {
        INIT_BADGE => change(start::info().handover.machine, cpu as usize).map_err(as_refusal),
        _ => Err(PercpuError::NotPermitted),
    };
    match done {
        Ok(()) => Message::default(),
        Err(refusal) => with_service(|service| service.refuse(refusal)),
    }
}

fn as_refusal(refusal: Refusal) -> PercpuError {
    use Status::{AlreadyOnline, BadArgument, BootCpu, NotOnline, NotPresent};
    let status = refusal.status as u64;
    match refusal.status {
        BadArgument | BootCpu | NotOnline | AlreadyOnline | NotPresent => PercpuError::CpuRefused(status),
        _ => PercpuError::Kernel(status),
    }
}

/// Serves with a thread on each CPU that is online, for ever. A CPU's thread is bound to it loosely: when the CPU goes,
/// the thread goes on elsewhere, with the request that it has, and comes back with the CPU.
pub fn keep_threads(endpoint: Endpoint) -> Result<Infallible, Refusal> {
    let changes = Notification::create()?;
    hotplug::notice(start::info().handover.machine, changes, 1, 1)?;
    let mut threads: Vec<Option<Thread>> = Vec::new();
    threads.resize_with(machine::possible_cpus(), || None);
    loop {
        for (cpu, thread) in threads.iter_mut().enumerate() {
            match keep_thread(cpu, thread, endpoint) {
                // The next notice tells more of this CPU.
                Err(refusal) if refusal.status == Status::NotOnline => {}
                other => other?,
            }
        }
        changes.wait()?;
    }
}

fn keep_thread(cpu: usize, thread: &mut Option<Thread>, endpoint: Endpoint) -> Result<(), Refusal> {
    if !machine::is_online(cpu) {
        return Ok(());
    }
    if thread.is_none() {
        *thread = Some(thread::spawn(Place::Anywhere, move || {
            // Before it waits anywhere. When the CPU has just gone, the next notice sees to it.
            let _ = thread::bind_self_loosely(&CpuMask::only(cpu));
            serve(endpoint)
        })?);
    }
    match thread {
        Some(thread) => thread.bind_loosely(&CpuMask::only(cpu)),
        None => Ok(()),
    }
}
