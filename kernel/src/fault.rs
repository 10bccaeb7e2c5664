//! A thread broke the contract: its fault is told to its fault endpoint; without one, the report and the end of its process.

use core::{fmt, iter};

use abi::syscall::End;
use abi::window::WINDOW_BASE;
use arrayvec::ArrayVec;

use crate::cpu::frame::Frame;
use crate::cpu::{self, this_cpu};
use crate::ipc::faults;
use crate::object::{Parked, Process, Running};
use crate::{log, panic, schedule};

/// Most return addresses in a report.
const MAX_DEPTH: usize = 8;
/// The exception of an access to memory.
pub const PAGE_FAULT: u64 = 14;
/// In the error code of a page fault: the page is mapped.
const PRESENT: u64 = 1;

/// An exception of the running thread: the first touch of a page goes on, everything else is told to whoever wants to
/// know, or ends its process.
pub fn handle(mut current: Running) {
    let frame = &current.context().frame;
    let is_missing = frame.vector == PAGE_FAULT && frame.error & PRESENT == 0;
    if is_missing && touch(current.process(), cpu::fault_address()) {
        return schedule::go_on(current);
    }
    let handler = current.thread().handler.get();
    match handler.or_else(|| current.process().handler.get()) {
        Some((endpoint, badge)) if !current.is_dead() => faults::send(current, endpoint, badge),
        _ => end(current),
    }
}

fn touch(process: &Process, address: u64) -> bool {
    address >= WINDOW_BASE && process.space().is_some_and(|space| space.touch(address))
}

/// Reports the exception of the running thread, and ends its process. A process that was ended meanwhile, by somebody on
/// another CPU, loses its pages while its threads still run: that is no fault of theirs.
pub fn end(mut current: Running) {
    if current.process().has_ended() {
        return schedule::leave(current);
    }
    cpu::entry::check_smap();
    finish(&mut current, cpu::fault_address());
    schedule::leave(current);
}

/// Does the same for a thread whose fault was told, and who was not resumed.
pub fn end_doomed(mut thread: Parked) {
    let address = thread.context().fault_address;
    finish(&mut thread, address);
}

fn finish(current: &mut Parked, address: u64) {
    let frame = current.context().frame;
    let fault = described(&frame, address);
    let (process, number) = (current.process(), current.thread().number);
    log!(
        "fault: process {} thread {number} cpu {}: {fault}",
        process.name,
        this_cpu()
    );
    // Before a line is begun: reading them takes locks.
    let addresses = backtrace(process, &frame);
    let addresses = fmt::from_fn(|f| {
        addresses
            .iter()
            .try_for_each(|address| write!(f, " {address:#x}"))
    });
    log!("fault: return addresses {}{addresses}", process.name);
    let address = if frame.vector == PAGE_FAULT { address } else { 0 };
    process.end(End::Faulted {
        vector: frame.vector,
        address,
        instruction: frame.rip,
    });
}

/// What happened, in words.
fn described(frame: &Frame, address: u64) -> impl fmt::Display {
    let Frame {
        vector, error, rip, ..
    } = *frame;
    fmt::from_fn(move |f| {
        if vector == PAGE_FAULT {
            let bit = |bit: u64| error >> bit & 1 == 1;
            let what = match (bit(1), bit(4)) {
                (true, _) => "writing",
                (_, true) => "executing",
                _ => "reading",
            };
            let why = if bit(0) { "not permitted" } else { "not mapped" };
            return write!(f, "page fault {what} {address:#x} at {rip:#x} ({why})");
        }
        match name(vector) {
            Some(name) => write!(f, "{name} at {rip:#x}")?,
            None => write!(f, "exception {vector} at {rip:#x}")?,
        }
        match error {
            0 => Ok(()),
            _ => write!(f, " (error {error:#x})"),
        }
    })
}

/// SDM volume 3, table 6-1.
fn name(vector: u64) -> Option<&'static str> {
    Some(match vector {
        0 => "divide error",
        1 => "debug exception",
        3 => "breakpoint",
        4 => "overflow",
        5 => "bound range exceeded",
        6 => "invalid opcode",
        7 => "device not available",
        11 => "segment not present",
        12 => "stack-segment fault",
        13 => "general protection fault",
        16 => "x87 floating-point error",
        17 => "alignment check",
        19 => "SIMD floating-point exception",
        _ => return None,
    })
}

/// The instruction, and the return addresses that the chain of frame pointers leads to.
fn backtrace(process: &Process, frame: &Frame) -> ArrayVec<u64, MAX_DEPTH> {
    let space = process.space();
    let pair = |rbp| {
        let mut pair = [[0; 8]; 2];
        space.as_ref()?.copy_in(rbp, pair.as_flattened_mut()).ok()?;
        Some(pair.map(u64::from_le_bytes))
    };
    let callers = panic::return_addresses(frame.rbp, pair);
    iter::once(frame.rip).chain(callers).take(MAX_DEPTH).collect()
}
