//! A driver of the PC's timer: interrupts arrive as bits, at the rate that was asked for and on the CPU where they were
//! bound, and what is not the driver's is refused.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicBool, Ordering};

use userlib::abi::syscall::CpuMask;
use userlib::abi::{Call, Registers, Status};
use userlib::checks::Checks;
use userlib::device::{Interrupt, Ports, pit};
use userlib::notification::Notification;
use userlib::thread::Place;
use userlib::{Refusal, entry, hotplug, ipc, machine, println, process, start, supervisor, syscall, thread};

entry!(main);

const BITS: u64 = 0b101;
/// Ticks from one interrupt to the next: 5 ms.
const TICKS: u16 = (pit::HERTZ / 200) as u16;
/// Interrupts that are waited for.
const MANY: u64 = 20;
/// How a child ends that has driven the timer.
const DRIVEN: u64 = 0;

fn main() -> Result<u64, Refusal> {
    if start::argument().starts_with("launched") {
        return drive(Interrupt::given(), MANY).map(|_| DRIVEN);
    }
    if let Some(cpu) = start::argument().strip_prefix("on ") {
        // For those who look at the machine from outside.
        thread::bind_self(&CpuMask::only(cpu.parse().unwrap_or(0)))?;
        return drive(Interrupt::given(), 1).map(|_| DRIVEN);
    }
    let mut checks = Checks::new();
    arrives(&mut checks)?;
    interrupts_others(&mut checks)?;
    follows(&mut checks)?;
    refused(&mut checks);
    goes_on(&mut checks)?;
    Ok(checks.code())
}

/// Lets the timer interrupt so often. The bits that came each time, together.
fn drive(interrupt: Interrupt, times: u64) -> Result<u64, Refusal> {
    let notification = Notification::create()?;
    interrupt.bind(notification, BITS)?;
    pit::start(Ports::given(), TICKS)?;
    let mut bits = 0;
    for _ in 0..times {
        bits |= notification.wait()?;
        interrupt.acknowledge()?;
    }
    pit::stop(Ports::given())?;
    Ok(bits)
}

/// On each CPU in turn.
fn arrives(checks: &mut Checks) -> Result<(), Refusal> {
    for cpu in machine::online() {
        thread::bind_self(&CpuMask::only(cpu))?;
        checks.equal("timer-interrupts", drive(Interrupt::given(), MANY)?, BITS);
        checks.equal("stays", machine::this_cpu_hint(), cpu);
    }
    thread::bind_self(&CpuMask::ALL)?;
    // The counter runs down between two interrupts, so a reading never shows more than there are.
    pit::start(Ports::given(), TICKS)?;
    let counts = [(); 16].map(|()| pit::count(Ports::given()));
    pit::stop(Ports::given())?;
    let are_some = counts.iter().flatten().any(|count| *count > 0);
    let are_below = counts.iter().all(|count| count.is_ok_and(|count| count <= TICKS));
    checks.that("ports-read", are_some && are_below, format_args!("{counts:?}"));
    silent(checks)
}

/// The CPU of the driver is never idle.
fn interrupts_others(checks: &mut Checks) -> Result<(), Refusal> {
    static IS_OVER: AtomicBool = AtomicBool::new(false);
    thread::bind_self(&CpuMask::only(0))?;
    let busy = thread::spawn(Place::Cpu(0), || {
        while !IS_OVER.load(Ordering::Relaxed) {
            core::hint::spin_loop();
        }
        0
    })?;
    let bits = drive(Interrupt::given(), MANY);
    IS_OVER.store(true, Ordering::Relaxed);
    busy.join()?;
    checks.equal("timer-interrupts-a-busy-cpu", bits?, BITS);
    thread::bind_self(&CpuMask::ALL)
}

/// What arrives on a CPU arrives elsewhere when that has gone.
fn follows(checks: &mut Checks) -> Result<(), Refusal> {
    let Some(cpu) = machine::online().nth(1) else {
        return Ok(());
    };
    let held = supervisor::machine()?;
    thread::bind_self_loosely(&CpuMask::only(cpu))?;
    let (interrupt, notification) = (Interrupt::given(), Notification::create()?);
    interrupt.bind(notification, BITS)?;
    pit::start(Ports::given(), TICKS)?;
    let mut bits = notification.wait()?;
    interrupt.acknowledge()?;
    hotplug::take_off(held, cpu)?;
    for _ in 0..MANY {
        bits &= notification.wait()?;
        interrupt.acknowledge()?;
    }
    checks.equal("timer-interrupts-elsewhere", bits, BITS);
    checks.equal("its-cpu-has-gone", machine::is_online(cpu), false);
    pit::stop(Ports::given())?;
    hotplug::bring_back(held, cpu)?;
    thread::bind_self(&CpuMask::ALL)
}

/// No interrupt comes from a timer that was stopped.
fn silent(checks: &mut Checks) -> Result<(), Refusal> {
    let notification = Notification::create()?;
    Interrupt::given().bind(notification, BITS)?;
    (0..1000).for_each(|_| thread::yield_now());
    checks.equal("a-stopped-timer-is-silent", notification.collect()?, 0);
    Ok(())
}

fn refused(checks: &mut Checks) {
    let (ports, interrupt) = (Ports::given(), Interrupt::given());
    let status = |result: Result<u32, Refusal>| result.map_err(|refusal| refusal.status);
    let bad = Err(Status::BadArgument);
    for (port, width) in [
        (0x3f, 1),
        (0x44, 1),
        (0x43, 2),
        (0x41, 4),
        (0x40, 3),
        (0x40, 0),
        (0x40, 8),
    ] {
        checks.equal("ports-outside", status(ports.read(port, width)), bad);
        checks.equal(
            "ports-outside-written",
            status(ports.write(port, width, 0).map(|()| 0)),
            bad,
        );
    }
    checks.equal("too-large", status(ports.write(0x40, 1, 0x100).map(|()| 0)), bad);
    let raw =
        |call, words: &[u64]| syscall::ask(call, &Registers::of(words)).map_err(|refusal| refusal.status);
    let far = raw(Call::PortRead, &[ports.0.0, u64::MAX, 4]);
    checks.equal("ports-far-outside", far, Err(Status::BadArgument));
    let wide = raw(Call::PortWrite, &[ports.0.0, 0x40, 1, 1 << 40]);
    checks.equal("far-too-large", wide, Err(Status::BadArgument));
    let Ok(notification) = Notification::create() else {
        return checks.that("notification", false, format_args!("none could be made"));
    };
    let unbound = raw(Call::InterruptBind, &[interrupt.0.0, notification.0.0, 0]);
    checks.equal("no-bits", unbound, Err(Status::BadArgument));
    let process = start::info().process;
    for call in [Call::InterruptCreate, Call::PortsCreate] {
        checks.equal(
            "no-machine",
            raw(call, &[process.0, 1, 1]),
            Err(Status::WrongKind),
        );
    }
    for (call, first) in [
        (Call::InterruptBind, ports.0),
        (Call::InterruptAcknowledge, ports.0),
        (Call::PortRead, interrupt.0),
        (Call::PortWrite, interrupt.0),
    ] {
        let wrong = raw(call, &[first.0, notification.0.0, 1, 1]);
        checks.equal("another-kind", wrong, Err(Status::WrongKind));
    }
    let once_more = raw(Call::CapabilityGrant, &[process.0, ports.0.0, 1, 0]);
    checks.equal("no-right-to-grant", once_more, Err(Status::MissingRight));
}

/// A device is one driver's, until that one is gone or gives it up.
fn goes_on(checks: &mut Checks) -> Result<(), Refusal> {
    let second = supervisor::launch([0; 3]);
    checks.that("only-one-driver", second.is_err(), format_args!("{second:?}"));
    ipc::drop_capability(Interrupt::given().0)?;
    for _ in 0..2 {
        let Some(child) = checks.success("the-next-driver", supervisor::launch([0; 3])) else {
            return Ok(());
        };
        let end = process::wait(child)?;
        let exited = userlib::abi::syscall::End::Exited(DRIVEN);
        checks.equal("the-next-driver-drives", end, exited);
    }
    println!("check driven {} ok", MANY);
    Ok(())
}
