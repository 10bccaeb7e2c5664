//! Window calls that change several ranges at once, and what the kernel remembers of them.

use userlib::abi::Status::{AlreadyMapped, BadAddress, BadArgument, NotMapped, PageInUse};
use userlib::abi::syscall::{MemoryKind, Placement};
use userlib::abi::{Call, Handle, Registers};
use userlib::checks::Checks;
use userlib::memory::Memory;
use userlib::process::{self, Child};
use userlib::syscall::ask;
use userlib::{Refusal, ipc, machine};

const PAGES: u64 = 6;
const TAG: u64 = 0x1234_5678_9abc_def0;
/// What a list is made of: memory, page of the window, page of the memory, pages.
type Entry = [u64; 4];

/// Checks everything in this file.
pub fn check(checks: &mut Checks) {
    let frames = 64 + 4 * machine::possible_cpus() as u64;
    let made = (
        Child::create(frames, "window"),
        Memory::create(process::own(), PAGES, Placement::PerCpu),
    );
    let (Ok(child), Ok(memory)) = made else {
        return checks.that("list-made", false, format_args!("{made:?}"));
    };
    refused(checks, child.window(), &memory);
    mapped(checks, child.window(), &memory);
    checks.equal("list-child-ends", child.end(), Ok(()));
    for handle in [child.window(), child.process()] {
        checks.equal("list-child-drop", ipc::drop_capability(handle), Ok(()));
    }
}

fn map(window: Handle, list: &[Entry], note: u64) -> Result<(), Refusal> {
    let (address, entries) = (list.as_ptr() as u64, list.len() as u64);
    ask(
        Call::WindowMapList,
        &Registers::of(&[window.0, address, entries, TAG, note]),
    )
    .map(drop)
}

fn query(window: Handle, page: u64) -> Result<[u64; 6], Refusal> {
    let [first, pages, tag, note, memory, at, ..] =
        ask(Call::WindowQuery, &Registers::of(&[window.0, page]))?.0;
    Ok([first, pages, tag, note, memory, at])
}

/// A list that cannot be mapped in full leaves nothing, not even its note.
fn refused(checks: &mut Checks, window: Handle, memory: &Memory) {
    let handle = memory.handle().0;
    let set = ask(Call::WindowNote, &Registers::of(&[window.0, 77])).map(drop);
    checks.equal("note", set, Ok(()));
    let good = [handle, 1, 0, 2];
    for (name, list, status) in [
        ("list-overlaps-itself", [good, [handle, 2, 2, 1]], AlreadyMapped),
        ("list-uses-a-page-twice", [good, [handle, 5, 1, 1]], PageInUse),
        (
            "list-behind-the-memory",
            [good, [handle, 5, PAGES, 1]],
            BadArgument,
        ),
        ("list-header", [good, [handle, 0, 3, 1]], BadArgument),
        ("list-empty-entry", [good, [handle, 5, 3, 0]], BadArgument),
        ("list-wraps", [good, [handle, u64::MAX, 3, 2]], BadArgument),
    ] {
        checks.equal(name, map(window, &list, 78), Err(Refusal::new(status)));
        let nothing = query(window, 0).map_err(|refusal| (refusal.status, refusal.words[0]));
        checks.equal("list-left-nothing", nothing, Err((NotMapped, 77)));
    }
    checks.equal(
        "list-of-none",
        map(window, &[], 78),
        Err(Refusal::new(BadArgument)),
    );
    let too_long = [good; 129];
    checks.equal(
        "list-too-long",
        map(window, &too_long, 78),
        Err(Refusal::new(BadArgument)),
    );
    let nowhere = ask(Call::WindowMapList, &Registers::of(&[window.0, 0x10, 1, TAG, 78]));
    checks.equal("list-nowhere", nowhere, Err(Refusal::new(BadAddress)));
}

fn mapped(checks: &mut Checks, window: Handle, memory: &Memory) {
    let handle = memory.handle().0;
    let info = ask(Call::MemoryQuery, &Registers::of(&[handle])).map(|words| words.0);
    let id = info.map_or(0, |words| words[0]);
    let unused = [id, PAGES, MemoryKind::PerCpu as u64, 0];
    checks.equal(
        "memory-query",
        info.map(|words| [words[0], words[1], words[2], words[3]]),
        Ok(unused),
    );
    checks.equal(
        "list",
        map(window, &[[handle, 1, 4, 2], [handle, 7, 0, 3]], 79),
        Ok(()),
    );
    checks.equal("list-first", query(window, 0), Ok([1, 2, TAG, 79, id, 4]));
    checks.equal("list-second", query(window, 3), Ok([7, 3, TAG, 79, id, 0]));
    let info = ask(Call::MemoryQuery, &Registers::of(&[handle])).map(|words| words.0[3]);
    checks.equal("memory-in-use", info, Ok(5));
    let found = ask(Call::WindowMemory, &Registers::of(&[window.0, 8])).map(|words| Handle(words.0[0]));
    if let Some(found) = checks.success("window-memory", found) {
        let same = ask(Call::MemoryQuery, &Registers::of(&[found.0])).map(|words| words.0[0]);
        checks.equal("window-memory-is-it", same, Ok(id));
        checks.equal("window-memory-drop", ipc::drop_capability(found), Ok(()));
    }
    let gap = ask(Call::WindowMemory, &Registers::of(&[window.0, 4])).map(drop);
    checks.equal("window-memory-of-a-gap", gap, Err(Refusal::new(NotMapped)));
    let unmap = |page, pages| {
        ask(Call::WindowUnmap, &Registers::of(&[window.0, page, pages, 80])).map(|words| words.0[0])
    };
    checks.equal("unmap-across-a-gap", unmap(2, 6), Ok(2));
    checks.equal(
        "unmap-left-the-rest",
        query(window, 0),
        Ok([1, 1, TAG, 80, id, 4]),
    );
    checks.equal("unmap-all", unmap(1, 20), Ok(3));
    checks.equal(
        "unmap-nothing",
        unmap(1, 20),
        Err(Refusal {
            status: NotMapped,
            words: [0, 0],
        }),
    );
}
