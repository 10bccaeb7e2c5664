//! Windows of other processes, filled by this one: a page is in one window only, and a refusal leaves nothing.

use userlib::abi::Status::{AccountExhausted, AlreadyMapped, BadArgument, NotMapped, PageInUse};
use userlib::abi::syscall::Placement;
use userlib::abi::{Call, PAGE_SIZE, Status};
use userlib::checks::Checks;
use userlib::machine;
use userlib::memory::Memory;
use userlib::process::{self, Child};

use crate::raw::{granted, refused};

/// Pages for each CPU of the memory that is mapped about.
const PAGES: u64 = 3;
/// As far from page 1 as no page table reaches.
const FAR: u64 = 5000;

/// Checks everything in this file.
pub fn check(checks: &mut Checks) {
    // A page table for each unit, and as many again for what is mapped far away.
    let frames = 16 + 2 * machine::possible_cpus() as u64;
    let memory = Memory::create(process::own(), PAGES, Placement::PerCpu);
    let Some(memory) = checks.success("window-memory", memory) else {
        return;
    };
    let made = (Child::create(frames, "one"), Child::create(frames, "other"));
    let (Ok(one), Ok(other)) = made else {
        return checks.that("window-children", false, format_args!("{made:?}"));
    };
    places(checks, &one, &memory);
    in_one_window(checks, &one, &other, &memory);
    nothing_left(checks, &one, &other, &memory);
    ends(checks, one, &other, &memory);
    checks.equal("window-other-ends", other.let_go(), Ok(()));
}

/// The words of `WindowMap`.
fn words(child: &Child, memory: &Memory, at: u64, from: u64, pages: u64) -> [u64; 7] {
    [child.window().0, memory.handle().0, at, from, pages, 0, 0]
}

fn places(checks: &mut Checks, child: &Child, memory: &Memory) {
    let unit = machine::stride() / PAGE_SIZE;
    for (name, [at, from, pages]) in [
        ("window-header", [0, 0, 1]),
        ("window-behind", [unit, 0, 1]),
        ("window-across-the-end", [unit - 1, 0, 2]),
        ("window-wraps", [u64::MAX, 0, 2]),
        ("window-nothing", [1, 0, 0]),
        ("window-too-many", [1, PAGES - 1, 2]),
        ("window-memory-wraps", [1, u64::MAX, 2]),
    ] {
        let words = words(child, memory, at, from, pages);
        refused(checks, name, Call::WindowMap, &words, BadArgument);
    }
    if let Some(plain) = checks.success("window-plain", Memory::own(1)) {
        let words = words(child, &plain, 1, 0, 1);
        refused(
            checks,
            "window-plain-memory",
            Call::WindowMap,
            &words,
            BadArgument,
        );
    }
}

fn in_one_window(checks: &mut Checks, one: &Child, other: &Child, memory: &Memory) {
    let map = Call::WindowMap;
    granted(checks, "window-map", map, &words(one, memory, 1, 0, 2));
    for (name, child, at, from, pages, status) in [
        ("page-in-use-elsewhere", other, 1, 1, 1, PageInUse),
        ("page-in-use-partly", other, 1, 1, 2, PageInUse),
        ("page-in-use-here", one, 10, 0, 1, PageInUse),
        ("window-already-mapped", one, 2, 2, 1, AlreadyMapped),
    ] {
        refused(checks, name, map, &words(child, memory, at, from, pages), status);
    }
    // What was refused has taken no page, and what is unmapped is free again.
    granted(
        checks,
        "page-refused-is-free",
        map,
        &words(other, memory, 1, 2, 1),
    );
    unmap(checks, "page-unmapped", other, 1, Status::Ok);
    granted(
        checks,
        "page-unmapped-is-free",
        map,
        &words(other, memory, 1, 2, 1),
    );
    unmap(checks, "page-unmapped-again", other, 1, Status::Ok);
    unmap(checks, "page-unmapped-twice", other, 1, NotMapped);
}

fn unmap(checks: &mut Checks, name: &str, child: &Child, at: u64, status: Status) {
    let words = [child.window().0, at, 1, 0];
    match status {
        Status::Ok => granted(checks, name, Call::WindowUnmap, &words),
        status => refused(checks, name, Call::WindowUnmap, &words, status),
    }
}

/// When page tables cannot be paid, no unit has the page, and the page is free.
fn nothing_left(checks: &mut Checks, one: &Child, other: &Child, memory: &Memory) {
    let Some(stats) = checks.success("window-stats", process::stats(other.process())) else {
        return;
    };
    let left = stats.frame_limit - stats.frames_used;
    let filler = Memory::create(other.process(), left, Placement::Anywhere);
    let Some(filler) = checks.success("window-filler", filler) else {
        return;
    };
    let (map, far) = (Call::WindowMap, words(other, memory, FAR, 2, 1));
    refused(checks, "window-unpaid", map, &far, AccountExhausted);
    let query = [other.window().0, 1];
    refused(
        checks,
        "window-unpaid-is-empty",
        Call::WindowQuery,
        &query,
        NotMapped,
    );
    drop(filler);
    granted(checks, "page-unpaid-is-free", map, &words(one, memory, 3, 2, 1));
    unmap(checks, "page-unpaid-unmapped", one, 3, Status::Ok);
    granted(checks, "window-paid", map, &far);
    unmap(checks, "window-paid-unmapped", other, FAR, Status::Ok);
}

/// The end of a process frees the pages of its window.
fn ends(checks: &mut Checks, one: Child, other: &Child, memory: &Memory) {
    checks.equal("window-one-ends", one.let_go(), Ok(()));
    granted(
        checks,
        "page-of-the-dead-is-free",
        Call::WindowMap,
        &words(other, memory, 1, 0, PAGES),
    );
}
