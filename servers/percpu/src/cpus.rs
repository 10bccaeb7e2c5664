//! CPUs that go and come: the requests for that, and the server's own threads.

use abi::percpu::PercpuError;
use abi::syscall::CpuMask;
use abi::{Message, Status};
use alloc::vec::Vec;
use core::convert::Infallible;
use percpu_service::Change;
use userlib::ipc::Endpoint;
use userlib::notification::Notification;
use userlib::thread::{self, Place, Thread};
use userlib::{Refusal, hotplug, machine, start};

use crate::{serve, with_service};

/// Takes a CPU off or on. It takes a while, so the service is not locked meanwhile; init asks for one at a time.
pub fn change(badge: u64, change: Change) -> Message {
    match try_change(badge, change) {
        Ok(()) => Message::default(),
        Err(refusal) => with_service(|service| service.refuse(refusal)),
    }
}

fn try_change(badge: u64, change: Change) -> Result<(), PercpuError> {
    let cpu = change.cpu as usize;
    let is_to_do = with_service(|service| service.begin_change(badge, change, machine::is_online(cpu)))?;
    if !is_to_do {
        return Ok(());
    }
    let machine = start::info().handover.machine;
    let done = match change.is_on {
        true => hotplug::bring_back(machine, cpu),
        false => hotplug::take_off(machine, cpu),
    };
    with_service(|service| service.end_change(done.map_err(|refusal| refusal.status)))
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
