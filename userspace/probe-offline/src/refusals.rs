//! What the kernel and the percpu server refuse: each by its name, and nothing has changed.

use userlib::abi::percpu::{PercpuError, Request};
use userlib::abi::syscall::CpuMask;
use userlib::abi::window::header;
use userlib::abi::{Call, Handle, Registers, Rights, Status};
use userlib::checks::Checks;
use userlib::notification::Notification;
use userlib::percpu::{self, Error};
use userlib::thread::{self, Place};
use userlib::{Refusal, hotplug, ipc, machine, process, supervisor, syscall};

use crate::helpers::{off, on};

/// The CPU that goes.
const CPU: usize = 1;

/// Checks everything in this file.
pub fn check(checks: &mut Checks, machine: Handle) {
    let generation = machine::generation();
    numbers(checks, machine);
    rights(checks, machine);
    absent(checks, machine);
    asker(checks, machine);
    checks.equal("refused-changes-nothing", machine::generation(), generation);
    twice(checks, machine);
    by_the_server(checks);
    exchange(checks, machine);
}

fn refused<T>(status: Status) -> Result<T, Refusal> {
    Err(Refusal::new(status))
}

fn numbers(checks: &mut Checks, machine: Handle) {
    let possible = machine::possible_cpus();
    for cpu in [possible, possible + 1, 256, usize::MAX] {
        checks.equal("off-no-cpu", off(machine, cpu), refused(Status::BadArgument));
        checks.equal("on-no-cpu", on(machine, cpu), refused(Status::BadArgument));
    }
    checks.equal("off-boot-cpu", off(machine, 0), refused(Status::BootCpu));
    let there = thread::bind_self(&CpuMask::only(0)).and_then(|()| off(machine, 0));
    checks.equal("off-boot-cpu-there", there, refused(Status::BootCpu));
    checks.equal("anywhere-again", thread::bind_self(&CpuMask::ALL), Ok(()));
    checks.equal("on-boot-cpu", on(machine, 0), refused(Status::AlreadyOnline));
    checks.equal("on-online", on(machine, CPU), refused(Status::AlreadyOnline));
    let [a, b, c, d] = CpuMask::ALL.0;
    let words = Registers::of(&[0, a, b, c, d, 2]);
    let half_loosely = syscall::ask(Call::ThreadAffinity, &words).map(drop);
    checks.equal("half-loosely", half_loosely, refused(Status::BadArgument));
}

fn rights(checks: &mut Checks, machine: Handle) {
    let copy = |rights| process::grant(process::own(), machine, rights, 0);
    let Some(told) = checks.success("told", Notification::create()) else {
        return;
    };
    if let Some(reader) = checks.success("machine-read", copy(Rights::READ)) {
        checks.equal(
            "off-without-right",
            off(reader, CPU),
            refused(Status::MissingRight),
        );
        checks.equal("on-without-right", on(reader, CPU), refused(Status::MissingRight));
        let nothing = hotplug::notice(reader, told, 0, 0);
        checks.equal("notice-of-nothing", nothing, refused(Status::BadArgument));
        checks.equal("machine-read-drop", ipc::drop_capability(reader), Ok(()));
    }
    if let Some(writer) = checks.success("machine-write", copy(Rights::WRITE)) {
        let notice = hotplug::notice(writer, told, 1, 1);
        checks.equal("notice-without-right", notice, refused(Status::MissingRight));
        checks.equal("machine-write-drop", ipc::drop_capability(writer), Ok(()));
    }
    if let Some(mute) = checks.success(
        "told-receive",
        process::grant(process::own(), told.0, Rights::RECEIVE, 0),
    ) {
        let notice = hotplug::notice(machine, Notification(mute), 1, 1);
        checks.equal("notice-without-send", notice, refused(Status::MissingRight));
        checks.equal("told-receive-drop", ipc::drop_capability(mute), Ok(()));
    }
    checks.equal("off-no-machine", off(told.0, CPU), refused(Status::WrongKind));
    checks.equal("told-drop", ipc::drop_capability(told.0), Ok(()));
    // No rights to end the machine came with it.
    let end = syscall::ask(Call::MachineExit, &Registers::of(&[machine.0, 0]));
    checks.equal(
        "no-end-of-the-machine",
        end.map(drop),
        refused(Status::MissingRight),
    );
}

/// CPUs that are possible only: announced, or silent.
fn absent(checks: &mut Checks, machine: Handle) {
    for cpu in (0..machine::possible_cpus()).filter(|cpu| !machine::is_online(*cpu)) {
        checks.equal("off-absent", off(machine, cpu), refused(Status::NotOnline));
        checks.equal("on-absent", on(machine, cpu), refused(Status::NotPresent));
    }
}

/// A thread that may run nowhere else cannot take its CPU off.
fn asker(checks: &mut Checks, machine: Handle) {
    let bound = thread::bind_self(&CpuMask::only(CPU)).and_then(|()| off(machine, CPU));
    checks.equal("off-under-oneself", bound, refused(Status::BadArgument));
    checks.equal("still-there", machine::this_cpu_hint(), CPU);
    checks.equal("unbound", thread::bind_self(&CpuMask::ALL), Ok(()));
}

fn twice(checks: &mut Checks, machine: Handle) {
    checks.equal("off", off(machine, CPU), Ok(()));
    checks.equal("off-twice", off(machine, CPU), refused(Status::NotOnline));
    let visit = thread::bind_self(&CpuMask::only(CPU));
    checks.equal("visit-off", visit, refused(Status::NotOnline));
    let spawned = thread::spawn(Place::Cpu(CPU), || 0).map(drop);
    checks.equal("spawn-off", spawned, refused(Status::NotOnline));
    checks.equal("told-off", machine::is_online(CPU), false);
    checks.equal("on", on(machine, CPU), Ok(()));
    checks.equal("on-twice", on(machine, CPU), refused(Status::AlreadyOnline));
    checks.equal("told-on", machine::is_online(CPU), true);
    let there = thread::spawn(Place::Cpu(CPU), || machine::this_cpu_hint() as u64);
    let code = there.and_then(thread::Thread::join);
    checks.equal("works-again", code, Ok(CPU as u64));
}

fn by_the_server(checks: &mut Checks) {
    let cpu = CPU as u64;
    for (name, request) in [
        ("server-off-not-permitted", Request::CpuOffline { cpu }),
        ("server-on-not-permitted", Request::CpuOnline { cpu }),
    ] {
        let denied = Err(Error::Refused(PercpuError::NotPermitted));
        checks.equal(name, percpu::request(&request), denied);
    }
    let refuses = |status: Status| Ok(Err(PercpuError::CpuRefused(status as u64)));
    let possible = machine::possible_cpus() as u64;
    let set = supervisor::set_cpu;
    checks.equal(
        "server-off-no-cpu",
        set(possible, false),
        refuses(Status::BadArgument),
    );
    checks.equal(
        "server-on-no-cpu",
        set(u64::MAX, true),
        refuses(Status::BadArgument),
    );
    checks.equal("server-off-boot-cpu", set(0, false), refuses(Status::BootCpu));
    checks.equal("server-on-online", set(cpu, true), refuses(Status::AlreadyOnline));
    checks.equal("server-off", set(cpu, false), Ok(Ok(())));
    checks.equal("server-off-is-off", machine::is_online(CPU), false);
    checks.equal("server-off-twice", set(cpu, false), refuses(Status::NotOnline));
    checks.equal("server-on", set(cpu, true), Ok(Ok(())));
    checks.equal("server-on-is-on", machine::is_online(CPU), true);
}

/// Of words in the units of CPUs.
fn exchange(checks: &mut Checks, machine: Handle) {
    let try_it = |words: [u64; 5]| syscall::ask(Call::ParkedExchange, &Registers::of(&words)).map(drop);
    let cpu = CPU as u64;
    checks.equal(
        "exchange-online",
        try_it([cpu, 4096, 8, 0, 0]),
        refused(Status::AlreadyOnline),
    );
    checks.equal("exchange-off", off(machine, CPU), Ok(()));
    let bad = Status::BadArgument;
    for (name, words, status) in [
        ("exchange-no-cpu", [1 << 40, 4096, 8, 0, 0], bad),
        ("exchange-three-bytes", [cpu, 4096, 3, 0, 0], bad),
        ("exchange-sixteen-bytes", [cpu, 4096, 16, 0, 0], bad),
        ("exchange-too-wide", [cpu, 4096, 4, 0, 1 << 32], bad),
        ("exchange-too-wide-before", [cpu, 4096, 1, 256, 0], bad),
        ("exchange-outside", [cpu, machine::stride(), 8, 0, 0], bad),
        ("exchange-misaligned", [cpu, 4098, 4, 0, 0], Status::Misaligned),
        (
            "exchange-header",
            [cpu, header::ONLINE, 8, 0, 1],
            Status::NotMapped,
        ),
        (
            "exchange-unmapped",
            [cpu, machine::stride() - 8, 8, 0, 0],
            Status::NotMapped,
        ),
    ] {
        checks.equal(name, try_it(words), refused(status));
    }
    checks.equal("exchange-still-off", machine::is_online(CPU), false);
    checks.equal("exchange-on", on(machine, CPU), Ok(()));
}
