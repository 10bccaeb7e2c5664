//! Asks for as much as the kernel gives, in every call whose work grows with a number of ours.
//!
//! Each is a row for the witness, which sees how long interrupts were off; nothing is measured here. A row is told as
//! `bound NAME STATUS`.
#![no_std]
#![no_main]

mod crowd;
mod late;
mod many;
mod windows;

use userlib::abi::syscall::{MAX_MEMORY_PAGES, Placement, access};
use userlib::abi::{Call, Handle, PAGE_SIZE, Registers};
use userlib::checks::Checks;
use userlib::process::Child;
use userlib::syscall::ask;
use userlib::{Refusal, entry, mark, println, process};

entry!(main);

/// Frames of a process that maps all that a memory object can have, twice.
const FRAMES: u64 = 1000;
/// Where it is mapped.
const ADDRESS: u64 = 0x3000_0000_0000;

fn main() -> Result<u64, Refusal> {
    let mut checks = Checks::new();
    plain_memory(&mut checks)?;
    windows::run(&mut checks)?;
    crowd::run(&mut checks)?;
    many::run(&mut checks)?;
    late::run(&mut checks)?;
    Ok(checks.code())
}

/// Something that is seen.
struct Row<'a>(&'a mut Checks);

impl Row<'_> {
    /// Does it, and checks that it ends as expected.
    fn of<T>(
        &mut self,
        name: &str,
        expected: Result<(), userlib::abi::Status>,
        act: impl FnOnce() -> Result<T, Refusal>,
    ) -> Option<T> {
        mark::row();
        let result = act();
        mark::rest();
        let status = result.as_ref().map(drop).map_err(|refusal| refusal.status);
        println!("bound {name} {status:?}");
        self.0.equal(name, status, expected);
        result.ok()
    }
}

/// Memory that is dropped only where a row says so.
fn memory(pages: u64, placement: Placement) -> Result<Handle, Refusal> {
    let registers = Registers::of(&[process::own().0, pages, placement.encode()]);
    Ok(Handle(ask(Call::MemoryCreate, &registers)?.0[0]))
}

fn map(child: &Child, memory: Handle, address: u64) -> Result<(), Refusal> {
    let (process, pages) = (child.process().0, MAX_MEMORY_PAGES);
    let registers = Registers::of(&[process, memory.0, address, 0, pages, access::READ]);
    child.command(Call::MemoryMap, &registers)
}

fn plain_memory(checks: &mut Checks) -> Result<(), Refusal> {
    use userlib::abi::Status::{AlreadyMapped, NodeExhausted};
    use userlib::ipc::drop_capability;
    let mut row = Row(checks);
    let most = MAX_MEMORY_PAGES;
    let made = row.of("memory-create", Ok(()), || memory(most, Placement::Anywhere));
    let made = made.unwrap_or(Handle::NONE);
    // By now no node has that many any more.
    row.of("memory-create-refused", Err(NodeExhausted), || {
        memory(40_000, Placement::Node(1))
    });
    let child = Child::create(FRAMES, "bounds")?;
    row.of("memory-map", Ok(()), || map(&child, made, ADDRESS));
    let last = ADDRESS - PAGE_SIZE;
    row.of("memory-map-refused", Err(AlreadyMapped), || {
        map(&child, made, last - (MAX_MEMORY_PAGES - 2) * PAGE_SIZE)
    });
    row.of("memory-unmap", Ok(()), || child.unmap(ADDRESS, most));
    map(&child, made, ADDRESS)?;
    drop_capability(made)?;
    row.of("process-end-with-memory", Ok(()), || child.end());
    child.forget()?;
    let made = memory(most, Placement::Anywhere)?;
    row.of("memory-drop", Ok(()), || drop_capability(made));
    Ok(())
}
