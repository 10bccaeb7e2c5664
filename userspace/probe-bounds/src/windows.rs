//! Windows, of which every call does its work for each CPU.

use userlib::abi::syscall::{MAX_WINDOW_LIST, Placement};
use userlib::abi::window::STATIC_FIRST_PAGE;
use userlib::abi::{Call, Handle, PAGE_SIZE, Registers, Status};
use userlib::checks::Checks;
use userlib::process::Child;
use userlib::syscall::ask;
use userlib::{Refusal, ipc, machine};

use crate::{Row, memory};

/// Frames for page tables of a whole window, for each CPU.
const TABLES_FOR_A_CPU: u64 = 64;
/// Most frames that are asked for: the machine has some others to feed.
const MOST_FRAMES: u64 = 60_000;

pub fn run(checks: &mut Checks) -> Result<(), Refusal> {
    let cpus = machine::possible_cpus() as u64;
    let in_unit = machine::stride() / PAGE_SIZE - STATIC_FIRST_PAGE;
    let pages = (MOST_FRAMES / cpus).min(in_unit);
    let child = Child::create(100 + TABLES_FOR_A_CPU * cpus, "bounds")?;
    let mut row = Row(checks);
    let mapped = |memory: Handle, page: u64, pages: u64| {
        let words = [child.window().0, memory.0, page, 0, pages, 1, 1];
        ask(Call::WindowMap, &Registers::of(&words)).map(drop)
    };
    let unmapped = || {
        let words = [child.window().0, STATIC_FIRST_PAGE, in_unit, 2];
        ask(Call::WindowUnmap, &Registers::of(&words)).map(drop)
    };
    let whole = memory(pages, Placement::PerCpu)?;
    row.of("window-map", Ok(()), || mapped(whole, STATIC_FIRST_PAGE, pages));
    row.of("window-fill", Ok(()), || {
        let bytes = [7; PAGE_SIZE as usize];
        child.fill_window(STATIC_FIRST_PAGE * PAGE_SIZE + 100, &bytes)
    });
    row.of("memory-query", Ok(()), || {
        ask(Call::MemoryQuery, &Registers::of(&[whole.0]))
    });
    row.of("window-unmap", Ok(()), unmapped);
    row.of("window-map-list", Ok(()), || list(&child, whole, pages));
    row.of("window-unmap-of-list", Ok(()), unmapped);
    row.of("window-map-refused", Err(Status::AlreadyMapped), || {
        refused(&child, whole, pages)
    });
    ipc::drop_capability(whole)?;
    let on_touch = row.of("memory-create-on-touch", Ok(()), || {
        memory(pages, Placement::PerCpuOnTouch)
    });
    let on_touch = on_touch.unwrap_or(Handle::NONE);
    row.of("window-map-on-touch", Ok(()), || {
        mapped(on_touch, STATIC_FIRST_PAGE, pages)
    });
    ipc::drop_capability(on_touch)?;
    row.of("process-end-with-window", Ok(()), || child.end());
    child.forget()
}

/// All of it, in as many pieces as a list can have.
fn list(child: &Child, memory: Handle, pages: u64) -> Result<(), Refusal> {
    let each = pages / MAX_WINDOW_LIST;
    let entries: [[u64; 4]; MAX_WINDOW_LIST as usize] = core::array::from_fn(|index| {
        let first = index as u64 * each;
        [memory.0, STATIC_FIRST_PAGE + first, first, each]
    });
    let words = [child.window().0, entries.as_ptr() as u64, MAX_WINDOW_LIST, 1, 3];
    ask(Call::WindowMapList, &Registers::of(&words)).map(drop)
}

/// A list whose last entry cannot be had.
fn refused(child: &Child, memory: Handle, pages: u64) -> Result<(), Refusal> {
    let entries = [
        [memory.0, STATIC_FIRST_PAGE, 0, pages - 1],
        [memory.0, STATIC_FIRST_PAGE, pages - 1, 1],
    ];
    let words = [child.window().0, entries.as_ptr() as u64, 2, 1, 4];
    ask(Call::WindowMapList, &Registers::of(&words)).map(drop)
}
