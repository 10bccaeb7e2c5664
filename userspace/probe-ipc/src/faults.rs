//! Faults that are told to somebody: what is told, how the thread goes on, and that nothing is worse without an answer.

use core::arch::{asm, global_asm};

use userlib::abi::fault::USER_FLAGS;
use userlib::abi::syscall::{End, Placement, access};
use userlib::abi::{Call, Handle, Message, Received, Registers, Rights, Status};
use userlib::checks::Checks;
use userlib::fault::{self, Fault};
use userlib::ipc::{self, Endpoint};
use userlib::memory::Memory;
use userlib::process::{self, CODE_ADDRESS, Child};
use userlib::syscall::{ask, command};
use userlib::thread::{self, Place};
use userlib::{Refusal, machine, start};

use crate::children::{self, PAGE};
use crate::helpers::{self, let_others_run, message};

const BADGE: u64 = 77;
/// Where the code reads, first of all.
const READ_AT: u64 = CODE_ADDRESS + 10;
/// Its first undefined instruction, of two bytes.
const UNDEFINED_AT: u64 = READ_AT + 3;
/// Its second one, behind a move of three bytes.
const UNDEFINED_AGAIN_AT: u64 = UNDEFINED_AT + 2 + 3;
const STACK: u64 = 0x7000;
const IN_KERNEL: u64 = 0xffff_8000_0000_0000;
/// Where user space ends.
const USER_END: u64 = 0x7fff_ffff_e000;
const PAGE_FAULT: u64 = 14;
const UNDEFINED: u64 = 6;
const DEBUG: u64 = 1;
const TRAP_FLAG: u64 = 0x100;

global_asm!(
    ".global probe_faults, probe_faults_end",
    "probe_faults:",
    "movabs rbx, 0x1b1b1b1b1b1b1b1b",
    "mov rax, [rdi]",
    "ud2",
    "mov rdi, rsp",
    "ud2",
    "mov eax, {exit}",
    "syscall",
    "probe_faults_end:",
    exit = const Call::ProcessExit as u64,
);

unsafe extern "C" {
    static probe_faults: u8;
    static probe_faults_end: u8;
}

/// Checks everything in this file.
pub fn check(checks: &mut Checks) -> Result<(), Refusal> {
    for cpu in machine::online() {
        told(checks, cpu)?;
        refused(checks, cpu)?;
        tried_again(checks, cpu)?;
        for without in [
            Without::Verdict,
            Without::Answer,
            Without::Receiver,
            Without::Endpoint,
        ] {
            ended(checks, cpu, without)?;
        }
        ended_meanwhile(checks, cpu)?;
    }
    own_before_process(checks)?;
    taken_back(checks)?;
    no_authority(checks)
}

/// A process that faults at [`PAGE`], and tells it at the endpoint.
fn faulting(endpoint: Endpoint, cpu: usize) -> Result<Child, Refusal> {
    let child = Child::create(children::FRAMES, "probe-faults")?;
    children::map_code(&child, (&raw const probe_faults, &raw const probe_faults_end))?;
    let badged = process::grant(process::own(), endpoint.0, Rights::SEND, BADGE)?;
    fault::tell(child.process(), Some(Endpoint(badged)))?;
    ipc::drop_capability(badged)?;
    child.start_at(Place::Cpu(cpu), [CODE_ADDRESS, STACK, PAGE])?;
    Ok(child)
}

/// The first fault of such a process.
const FIRST: End = End::Faulted {
    vector: PAGE_FAULT,
    address: PAGE,
    instruction: READ_AT,
};

/// Everything is told, and the thread goes on in each of the ways.
fn told(checks: &mut Checks, cpu: usize) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let child = faulting(endpoint, cpu)?;
    let Received { badge, message } = endpoint.receive()?;
    let told = Fault::decode(&message);
    let expected = Fault {
        vector: PAGE_FAULT,
        error: 4,
        address: PAGE,
        instruction: READ_AT,
        stack: STACK,
        flags: told.flags,
        thread: 0,
    };
    checks.equal("fault-is-told", (badge, told), (BADGE, expected));
    checks.equal("fault-flags", told.flags & !USER_FLAGS, 0x202);
    let page = Memory::create(child.process(), 1, Placement::Anywhere)?;
    child.map(&page, PAGE, access::READ)?;
    let told = Fault::decode(&endpoint.reply_receive(&fault::resume())?.message);
    let second = (told.vector, told.instruction, told.address, told.stack);
    checks.equal("fault-resumed", second, (UNDEFINED, UNDEFINED_AT, 0, STACK));
    let elsewhere = fault::resume_at(UNDEFINED_AT + 2, 0x5000);
    let told = Fault::decode(&endpoint.reply_receive(&elsewhere)?.message);
    let third = (told.vector, told.instruction, told.stack);
    checks.equal("fault-resumed-at", third, (UNDEFINED, UNDEFINED_AGAIN_AT, 0x5000));
    registers(checks, endpoint)?;
    let ended = process::wait(child.process());
    checks.equal("fault-resumed-with-registers", ended, Ok(End::Exited(1234)));
    child.forget()?;
    ipc::drop_capability(endpoint.0)
}

/// All registers can be read and changed; flags that user code cannot set stay as they are.
fn registers(checks: &mut Checks, endpoint: Endpoint) -> Result<(), Refusal> {
    let mut registers = fault::registers()?;
    let known = [registers.general[1], registers.general[5]];
    checks.equal("fault-registers", known, [0x1b1b_1b1b_1b1b_1b1b, 0x5000]);
    registers.general = core::array::from_fn(|index| index as u64 + 100);
    registers.general[5] = 1234;
    registers.instruction += 2;
    registers.stack = 0x4000;
    registers.flags = u64::MAX;
    fault::set_registers(&registers)?;
    registers.flags = USER_FLAGS | 0x202;
    checks.equal("fault-registers-changed", fault::registers(), Ok(registers));
    // With the trap flag among them it goes on for one instruction.
    let told = Fault::decode(&endpoint.reply_receive(&fault::resume())?.message);
    let stepped = (told.vector, told.instruction, told.stack);
    checks.equal(
        "fault-single-step",
        stepped,
        (DEBUG, UNDEFINED_AGAIN_AT + 2 + 5, 0x4000),
    );
    registers = fault::registers()?;
    let rest = core::array::from_fn(|index| match index {
        0 => Call::ProcessExit as u64,
        5 => 1234,
        _ => index as u64 + 100,
    });
    checks.equal("fault-registers-are-kept", registers.general, rest);
    registers.flags &= !TRAP_FLAG;
    fault::set_registers(&registers)?;
    ipc::reply(&fault::resume())
}

/// A verdict or registers that are refused change nothing.
fn refused(checks: &mut Checks, cpu: usize) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let nobody = fault::registers().map(drop);
    checks.equal(
        "registers-of-nobody",
        nobody,
        Err(Refusal::new(Status::NotFaulted)),
    );
    let child = faulting(endpoint, cpu)?;
    endpoint.receive()?;
    let before = fault::registers()?;
    let bad = Err(Refusal::new(Status::BadAddress));
    let verdicts = [
        (Message::new(3, [0; 6]), Status::BadArgument),
        (Message::new(u64::MAX, [0; 6]), Status::BadArgument),
        (fault::resume_at(USER_END, STACK), Status::BadAddress),
        (fault::resume_at(IN_KERNEL, STACK), Status::BadAddress),
        (fault::resume_at(0x8000_0000_0000, STACK), Status::BadAddress),
        (fault::resume_at(READ_AT, USER_END + 1), Status::BadAddress),
        (fault::resume_at(READ_AT, IN_KERNEL), Status::BadAddress),
        (fault::resume().with_capability(endpoint.0), Status::BadArgument),
    ];
    for (verdict, status) in verdicts {
        let refusal = Err(Refusal::new(status));
        checks.equal(
            "verdict-refused",
            endpoint.reply_receive(&verdict).map(drop),
            refusal,
        );
        checks.equal("verdict-refused-alone", ipc::reply(&verdict), refusal);
    }
    for (instruction, stack) in [(USER_END, STACK), (IN_KERNEL, STACK), (READ_AT, IN_KERNEL)] {
        let mut registers = before;
        (registers.instruction, registers.stack) = (instruction, stack);
        checks.equal("registers-refused", fault::set_registers(&registers), bad);
    }
    for address in [0, IN_KERNEL, u64::MAX, refused as *const () as u64] {
        // SAFETY: 1. no address here is written to: the last is of this program's code. 2. starts no thread.
        let got = unsafe { command(Call::FaultRegisters, &Registers::of(&[address])) };
        checks.equal("registers-to-nowhere", got.map(drop), bad.map(drop));
    }
    for address in [0, IN_KERNEL, u64::MAX, PAGE] {
        let set = ask(Call::FaultSetRegisters, &Registers::of(&[address]));
        checks.equal("registers-from-nowhere", set.map(drop), bad.map(drop));
    }
    checks.equal("refusals-change-nothing", fault::registers(), Ok(before));
    ipc::reply(&fault::end())?;
    checks.equal("refused-after-all", process::wait(child.process()), Ok(FIRST));
    child.forget()?;
    ordinary_caller(checks, endpoint, cpu)?;
    ipc::drop_capability(endpoint.0)
}

/// Whoever just calls is no faulted thread.
fn ordinary_caller(checks: &mut Checks, endpoint: Endpoint, cpu: usize) -> Result<(), Refusal> {
    let caller = thread::spawn(Place::Cpu(cpu), move || {
        u64::from(endpoint.call(&message(1, 1)) != Ok(message(2, 2)))
    })?;
    endpoint.receive()?;
    let not = Err(Refusal::new(Status::NotFaulted));
    checks.equal("registers-of-a-caller", fault::registers().map(drop), not);
    checks.equal(
        "set-registers-of-a-caller",
        fault::set_registers(&Default::default()),
        not,
    );
    ipc::reply(&message(2, 2))?;
    checks.equal("caller-is-answered", caller.join(), Ok(0));
    Ok(())
}

/// A fault that its handler does nothing about comes again and again, and harms nobody else.
fn tried_again(checks: &mut Checks, cpu: usize) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let child = faulting(endpoint, cpu)?;
    let first = endpoint.receive()?;
    let again = (0..200).filter(|_| endpoint.reply_receive(&fault::resume()) == Ok(first));
    checks.equal("fault-comes-again", again.count(), 200);
    ipc::reply(&fault::end())?;
    checks.equal(
        "fault-comes-again-ended",
        process::wait(child.process()),
        Ok(FIRST),
    );
    child.forget()?;
    ipc::drop_capability(endpoint.0)
}

/// What a fault gets instead of a verdict that resumes it.
#[derive(Clone, Copy, PartialEq)]
enum Without {
    /// The verdict ends it.
    Verdict,
    /// The handler receives again.
    Answer,
    /// Nobody receives it before the endpoint goes.
    Receiver,
    /// The endpoint has gone before.
    Endpoint,
}

/// Without a way to go on the fault ends the process as it would without a fault endpoint.
fn ended(checks: &mut Checks, cpu: usize, without: Without) -> Result<(), Refusal> {
    let (endpoint, other) = (Endpoint::create()?, Endpoint::create()?);
    let child = match without {
        Without::Endpoint => {
            let gone = Endpoint::create()?;
            let child = Child::create(children::FRAMES, "probe-faults")?;
            children::map_code(&child, (&raw const probe_faults, &raw const probe_faults_end))?;
            fault::tell(child.process(), Some(gone))?;
            ipc::drop_capability(gone.0)?;
            child.start_at(Place::Cpu(cpu), [CODE_ADDRESS, STACK, PAGE])?;
            child
        }
        _ => faulting(endpoint, cpu)?,
    };
    if matches!(without, Without::Verdict | Without::Answer) {
        endpoint.receive()?;
    } else {
        (0..20_000).for_each(|_| thread::yield_now());
    }
    match without {
        Without::Verdict => ipc::reply(&fault::end())?,
        Without::Answer => {
            // Somebody has to call, so that this comes back.
            let caller = thread::spawn(Place::Cpu(0), move || {
                u64::from(other.call(&message(1, 1)).is_err())
            })?;
            other.receive()?;
            ipc::reply(&message(1, 1))?;
            caller.join()?;
        }
        Without::Receiver => ipc::drop_capability(endpoint.0)?,
        Without::Endpoint => {}
    }
    checks.equal("fault-ends", process::wait(child.process()), Ok(FIRST));
    if without != Without::Receiver {
        ipc::drop_capability(endpoint.0)?;
    }
    ipc::drop_capability(other.0)?;
    child.forget()
}

/// A handler goes with the capability that it was set through: the fault ends the process, although the endpoint is there.
fn taken_back(checks: &mut Checks) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    for through_copy in [true, false] {
        let child = Child::create(children::FRAMES, "probe-faults")?;
        children::map_code(&child, (&raw const probe_faults, &raw const probe_faults_end))?;
        let lent = process::grant(process::own(), endpoint.0, Rights::SEND, 0)?;
        let told = if through_copy { lent } else { endpoint.0 };
        fault::tell(child.process(), Some(Endpoint(told)))?;
        checks.equal("handler-is-taken-back", ipc::revoke(endpoint.0), Ok(1));
        child.start_at(Place::Cpu(0), [CODE_ADDRESS, STACK, PAGE])?;
        let threads = || process::stats(child.process()).map(|stats| stats.threads);
        let is_over = (0..20_000).any(|_| {
            thread::yield_now();
            threads() == Ok(0)
        });
        checks.that(
            "fault-after-that-ends",
            is_over,
            format_args!("it waits for a verdict"),
        );
        child.let_go()?;
    }
    ipc::drop_capability(endpoint.0)
}

/// The process is ended while its fault is being handled; the handler goes on.
fn ended_meanwhile(checks: &mut Checks, cpu: usize) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let child = faulting(endpoint, cpu)?;
    endpoint.receive()?;
    child.end()?;
    checks.equal(
        "ended-while-faulted",
        process::wait(child.process()),
        Ok(End::Killed),
    );
    // The kernel has taken it back by now, or takes it here.
    let answered = ipc::reply(&fault::resume());
    let gone = Err(Refusal::new(Status::NoCaller));
    checks.that(
        "ended-while-faulted-answer",
        answered.is_ok() || answered == gone,
        format_args!("{answered:?}"),
    );
    child.forget()?;
    ipc::drop_capability(endpoint.0)
}

/// A thread's own endpoint goes before its process', and nobody is told after it was taken back.
fn own_before_process(checks: &mut Checks) -> Result<(), Refusal> {
    let (own, of_process) = (Endpoint::create()?, Endpoint::create()?);
    fault::tell(process::own(), Some(of_process))?;
    let faulty = thread::spawn(Place::Cpu(0), move || {
        let told = fault::tell(Handle::NONE, Some(own));
        undefined();
        let told_no_more = fault::tell(Handle::NONE, None);
        undefined();
        u64::from(told.is_err() || told_no_more.is_err())
    })?;
    for endpoint in [own, of_process] {
        let told = Fault::decode(&endpoint.receive()?.message);
        checks.equal("own-before-process", told.vector, UNDEFINED);
        ipc::reply(&fault::resume_at(told.instruction + 2, told.stack))?;
    }
    checks.equal("own-before-process-thread", faulty.join(), Ok(0));
    fault::tell(process::own(), None)?;
    ipc::drop_capability(own.0)?;
    ipc::drop_capability(of_process.0)
}

/// Faults; the handler has to let it go on behind the instruction.
pub fn undefined() {
    // SAFETY: its handler goes on behind it, and changes no register but those two.
    unsafe { asm!("ud2", options(nostack, nomem, preserves_flags)) }
}

/// Only who may change a thread says where its faults go, and only to where it may send.
fn no_authority(checks: &mut Checks) -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let receive = process::grant(process::own(), endpoint.0, Rights::RECEIVE, 0)?;
    let unmanaged = process::grant(process::own(), process::own(), Rights::READ, 0)?;
    let refusals = [
        (
            "faults-of-nobody",
            Handle(u64::MAX),
            endpoint.0,
            Status::NoSuchHandle,
        ),
        (
            "faults-of-the-console",
            start::info().console,
            endpoint.0,
            Status::WrongKind,
        ),
        ("faults-of-an-endpoint", endpoint.0, endpoint.0, Status::WrongKind),
        (
            "faults-without-manage",
            unmanaged,
            endpoint.0,
            Status::MissingRight,
        ),
        (
            "faults-to-nobody",
            process::own(),
            Handle(u64::MAX),
            Status::NoSuchHandle,
        ),
        (
            "faults-to-a-process",
            process::own(),
            process::own(),
            Status::WrongKind,
        ),
        (
            "faults-without-send",
            process::own(),
            receive,
            Status::MissingRight,
        ),
    ];
    for (name, whose, to, status) in refusals {
        let got = fault::tell(whose, Some(Endpoint(to)));
        checks.equal(name, got, Err(Refusal::new(status)));
    }
    // Had one of them been granted, a fault would be told now, and not end this program's child.
    let server = helpers::start(endpoint, Place::Cpu(0), |_| ())?;
    let_others_run();
    checks.equal("faults-told-to-nobody", helpers::stop(endpoint, server)?, 0);
    ipc::drop_capability(receive)?;
    ipc::drop_capability(unmanaged)?;
    ipc::drop_capability(endpoint.0)
}
