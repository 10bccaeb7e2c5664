//! One among very many: threads that are ready, and ranges that are mapped.

use userlib::abi::syscall::{CpuMask, Placement, access};
use userlib::abi::{Call, PAGE_SIZE, Registers};
use userlib::checks::Checks;
use userlib::process::{CODE_ADDRESS, Child};
use userlib::thread::{self, Place};
use userlib::{Refusal, ipc, process};

use crate::crowd::gone;
use crate::{ADDRESS, Row, memory};

/// So many that looking at each would take too long.
const MANY: u64 = 12_000;
/// Frames of a process that has so many of anything.
const FRAMES: u64 = 9000;
/// `mov eax, Call::ThreadExit; syscall`
const EXIT: [u8; 7] = [0xb8, Call::ThreadExit as u8, 0, 0, 0, 0x0f, 0x05];

pub fn run(checks: &mut Checks) -> Result<(), Refusal> {
    thread::bind_self(&CpuMask::only(0))?;
    threads(checks)?;
    ranges(checks)?;
    thread::bind_self(&CpuMask::ALL)
}

/// Less urgent than this one, on the same CPU: they are ready, and do not run.
fn threads(checks: &mut Checks) -> Result<(), Refusal> {
    let mut row = Row(checks);
    let child = Child::create(FRAMES, "bounds")?;
    child.map_code(&EXIT)?;
    process::set_priority(child.process(), 1, 0)?;
    let start = || child.start_at(Place::Cpu(0), [CODE_ADDRESS, 0, 0]);
    (0..MANY / 2).try_for_each(|_| start())?;
    let one = child.start_kept(Place::Cpu(0), [CODE_ADDRESS, 0, 0])?;
    (0..MANY / 2).try_for_each(|_| start())?;
    row.of("thread-priority-among-many", Ok(()), || {
        thread::set_priority(one, 1)
    });
    // Now it is more urgent than the others.
    row.of("thread-exit-among-many", Ok(()), || process::wait(one));
    ipc::drop_capability(one)?;
    row.of("process-end-with-ready-threads", Ok(()), || child.end());
    gone(&child)
}

fn ranges(checks: &mut Checks) -> Result<(), Refusal> {
    let mut row = Row(checks);
    let child = Child::create(FRAMES, "bounds")?;
    let page = memory(1, Placement::Anywhere)?;
    let map = |at: u64| {
        let address = ADDRESS + at * PAGE_SIZE;
        let words = [child.process().0, page.0, address, 0, 1, access::READ];
        child.command(Call::MemoryMap, &Registers::of(&words))
    };
    (1..MANY).try_for_each(map)?;
    row.of("memory-map-among-many", Ok(()), || map(0));
    row.of("memory-unmap-of-many", Ok(()), || child.unmap(ADDRESS, MANY));
    (0..MANY).try_for_each(map)?;
    row.of("process-end-with-many-ranges", Ok(()), || child.end());
    ipc::drop_capability(page)?;
    gone(&child)
}
