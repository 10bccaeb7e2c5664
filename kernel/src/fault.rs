//! A thread broke the contract: its fault is told to its fault endpoint; without one, the report and the end of its process.

use core::fmt;

use abi::syscall::End;
use abi::window::WINDOW_BASE;

use crate::cpu::frame::Frame;
use crate::cpu::{self, this_cpu};
use crate::ipc::faults;
use crate::log;
use crate::object::{Parked, Process, Running};
use crate::schedule;

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
    let fault = Fault {
        frame: &frame,
        address,
    };
    let (process, number) = (current.process(), current.thread().number);
    log!(
        "fault: process {} thread {number} cpu {}: {fault}",
        process.name,
        this_cpu()
    );
    log!(
        "fault: return addresses {}{}",
        process.name,
        Backtrace::of(process, &frame)
    );
    let address = if frame.vector == PAGE_FAULT { address } else { 0 };
    process.end(End::Faulted {
        vector: frame.vector,
        address,
        instruction: frame.rip,
    });
}

struct Fault<'a> {
    frame: &'a Frame,
    address: u64,
}

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Frame {
            vector, error, rip, ..
        } = *self.frame;
        if vector == PAGE_FAULT {
            let (bit, at) = (|bit: u64| error >> bit & 1 == 1, self.address);
            let what = match (bit(1), bit(4)) {
                (true, _) => "writing",
                (_, true) => "executing",
                _ => "reading",
            };
            let why = if bit(0) { "not permitted" } else { "not mapped" };
            return write!(f, "page fault {what} {at:#x} at {rip:#x} ({why})");
        }
        match name(vector) {
            Some(name) => write!(f, "{name} at {rip:#x}")?,
            None => write!(f, "exception {vector} at {rip:#x}")?,
        }
        if error != 0 {
            write!(f, " (error {error:#x})")
        } else {
            Ok(())
        }
    }
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
struct Backtrace {
    addresses: [u64; MAX_DEPTH],
    depth: usize,
}

impl Backtrace {
    fn of(process: &Process, frame: &Frame) -> Backtrace {
        let mut trace = Backtrace {
            addresses: [frame.rip; MAX_DEPTH],
            depth: 1,
        };
        let Some(space) = process.space() else {
            return trace;
        };
        let mut rbp = frame.rbp;
        while trace.depth < MAX_DEPTH {
            let mut pair = [0; 16];
            if space.copy_in(rbp, &mut pair).is_err() {
                break;
            }
            let word = |at: usize| {
                pair[at..at + 8]
                    .iter()
                    .rev()
                    .fold(0, |word, byte| word << 8 | u64::from(*byte))
            };
            let (next, address) = (word(0), word(8));
            if address == 0 {
                break;
            }
            trace.addresses[trace.depth] = address;
            trace.depth += 1;
            if next <= rbp {
                break;
            }
            rbp = next;
        }
        trace
    }
}

impl fmt::Display for Backtrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addresses[..self.depth]
            .iter()
            .try_for_each(|address| write!(f, " {address:#x}"))
    }
}
