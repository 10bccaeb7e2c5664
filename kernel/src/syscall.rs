//! System calls: from a number and nine words to what happens, each call in the file of its object.
//!
//! Calls that can stop or end the running thread get its token; the others only answer.

mod capability;
mod cpus;
mod device;
mod memory;
mod notification;
mod process;
mod thread;
mod window;

use alloc::sync::Arc;

use abi::syscall::MAX_CONSOLE_BYTES;
use abi::{Call, Handle, Registers, Rights, Status};

use crate::console;
use crate::debug_exit::{self, Verdict};
use crate::memory::{frame, heap};
use crate::object::{Capability, Endpoint, Object, Process, Running, census};
use crate::refusal::{Answer, DONE, require};
use crate::{ipc, schedule};

/// Does what the running thread asks for, unless its process was to end here.
pub fn handle(caller: Running) {
    match caller.process().doom.strike() {
        None => act(caller),
        Some(moment) => process::strike(caller, moment),
    }
}

fn act(mut caller: Running) {
    let frame = &caller.context().frame;
    let (number, words) = (frame.rax, frame.registers().0);
    let answer = match Call::from_word(number) {
        None => return refuse(caller, Status::UnknownCall),
        Some(Call::Nothing) => DONE,
        Some(Call::Call) => return ipc::call(caller, &words),
        Some(Call::ReplyReceive) => return ipc::reply_receive(caller, &words),
        Some(Call::Receive) => return ipc::receive(caller, &words),
        Some(Call::Reply) => return ipc::reply(caller, &words),
        Some(Call::NotificationWait) => return notification::wait(caller, &words),
        Some(Call::Wait) => return process::wait(caller, &words),
        Some(Call::ProcessExit) => return process::exit(caller, &words),
        Some(Call::ThreadExit) => return thread::exit(caller, &words),
        Some(Call::ThreadYield) => return schedule::yield_now(caller),
        Some(Call::ThreadLend) => return schedule::lend(caller),
        Some(Call::CpuOffline) => return cpus::offline(caller, &words),
        Some(Call::CapabilityAccept) => capability::accept(&mut caller, &words),
        Some(Call::CapabilityReceived) => capability::received(&mut caller),
        Some(Call::ThreadAffinity) => thread::affinity(&caller, &words),
        Some(Call::MessagePage) => ipc::pages::set(&mut caller, &words),
        Some(Call::ThreadPriority) => thread::priority(&mut caller, &words),
        Some(Call::ThreadFaults) => thread::faults(&caller, &words),
        Some(Call::FaultRegisters) => ipc::faults::registers(&mut caller, &words),
        Some(Call::FaultSetRegisters) => ipc::faults::set_registers(&mut caller, &words),
        Some(call) => answer(call, caller.process(), &words),
    };
    schedule::finish(caller, answer);
}

/// Apart, so that the calls that there are pay nothing for it.
#[cold]
fn refuse(caller: Running, status: Status) {
    schedule::finish(caller, Err(status.into()));
}

/// The calls that answer at once.
fn answer(call: Call, caller: &Arc<Process>, words: &[u64; 9]) -> Answer {
    let _payer = heap::charge_to(&caller.account);
    match call {
        Call::EndpointCreate => endpoint_create(caller),
        Call::NotificationCreate => notification::create(caller),
        Call::NotificationSignal => notification::signal(caller, words),
        Call::NotificationCollect => notification::collect(caller, words),
        Call::NotificationBind => notification::bind(caller, words),
        Call::DeathNotice => notification::death_notice(caller, words),
        Call::ProcessCreate => process::create(caller, words),
        Call::ProcessPriority => process::priority(caller, words),
        Call::ProcessStats => process::stats(caller, words),
        Call::ProcessEnd => process::end(caller, words),
        Call::ThreadCreate => thread::create(caller, words),
        Call::MemoryCreate => memory::create(caller, words),
        Call::MemoryMap => memory::map(caller, words),
        Call::MemoryQuery => memory::query(caller, words),
        Call::MemoryClean => memory::clean(caller, words),
        Call::MemoryUnmap => memory::unmap(caller, words),
        Call::WindowMap => window::map(caller, words),
        Call::WindowUnmap => window::unmap(caller, words),
        Call::WindowFill => window::fill(caller, words),
        Call::WindowQuery => window::query(caller, words),
        Call::WindowMapList => window::map_list(caller, words),
        Call::WindowNote => window::note(caller, words),
        Call::WindowMemory => window::memory(caller, words),
        Call::WindowPopulated => window::populated(caller, words),
        Call::CapabilityGrant => capability::grant(caller, words),
        Call::CapabilityRevoke => capability::revoke(caller, words),
        Call::CapabilityDrop => capability::drop(caller, words),
        Call::InterruptCreate => device::interrupt_create(caller, words),
        Call::InterruptBind => device::interrupt_bind(caller, words),
        Call::InterruptAcknowledge => device::interrupt_acknowledge(caller, words),
        Call::PortsCreate => device::ports_create(caller, words),
        Call::PortRead => device::port_read(caller, words),
        Call::PortWrite => device::port_write(caller, words),
        Call::ConsoleWrite => console_write(caller, words),
        Call::CpuOnline => cpus::online(caller, words),
        Call::CpuNotice => cpus::notice(caller, words),
        Call::ParkedExchange => cpus::parked_exchange(caller, words),
        Call::DebugEndAt => process::debug_end_at(caller, words),
        Call::MachineExit => machine_exit(caller, words),
        Call::MachineStats => machine_stats(caller, words),
        _ => Err(Status::UnknownCall.into()),
    }
}

fn endpoint_create(caller: &Process) -> Answer {
    let endpoint = Capability::all(Object::Endpoint(Endpoint::new(&caller.account)?));
    one(caller.insert(endpoint)?)
}

/// The answer that is one handle.
fn one(handle: Handle) -> Answer {
    Ok(Registers::of(&[handle.0]))
}

fn console_write(caller: &Process, words: &[u64; 9]) -> Answer {
    let [console, address, bytes, ..] = *words;
    caller.look_up(console, Rights::WRITE, Object::as_console)?;
    require(bytes <= MAX_CONSOLE_BYTES, Status::BadArgument)?;
    let mut text = [0; MAX_CONSOLE_BYTES as usize];
    let text = &mut text[..bytes as usize];
    caller.living_space()?.copy_in(address, text)?;
    console::print_bytes(text);
    DONE
}

fn machine_stats(caller: &Process, words: &[u64; 9]) -> Answer {
    caller.look_up(words[0], Rights::READ, Object::as_machine)?;
    let [processes, threads, endpoints, notifications, memories] = census::counts();
    Ok(Registers::of(&[
        frame::total_free(),
        heap::frames_in_use(),
        heap::own_bytes_in_use(),
        processes,
        threads,
        endpoints,
        notifications,
        memories,
        heap::bytes_in_use(),
    ]))
}

fn machine_exit(caller: &Process, words: &[u64; 9]) -> Answer {
    let [machine, verdict, ..] = *words;
    caller.look_up(machine, Rights::MANAGE, Object::as_machine)?;
    match verdict {
        0 => debug_exit::end(Verdict::Success),
        1 => debug_exit::end(Verdict::CheckFailed),
        _ => Err(Status::BadArgument.into()),
    }
}
