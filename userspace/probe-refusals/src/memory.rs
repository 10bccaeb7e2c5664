//! Kernel calls on memory that is not there, not ours, or not to be had; and CPUs that do not exist.

use userlib::abi::Status::{
    AccountExhausted, AlreadyMapped, BadAddress, BadArgument, Misaligned, MissingRight, NodeExhausted,
    NotMapped, NotOnline,
};
use userlib::abi::syscall::{ANY_CPU, MAX_CONSOLE_BYTES, MAX_MEMORY_PAGES, Placement, access};
use userlib::abi::window::WINDOW_BASE;
use userlib::abi::{Call, PAGE_SIZE, Rights, Status};
use userlib::checks::Checks;
use userlib::memory::{Mapping, Memory};
use userlib::{ipc, process, start};

use crate::raw::{refused, refused_in_ways, refused_with};

const ANYWHERE: u64 = Placement::Anywhere.encode();
const KERNEL: u64 = 0xffff_ffff_8020_0000;
/// The last page of user space, which can never be mapped, begins here.
const LAST_PAGE: u64 = 0x7fff_ffff_f000;
/// Nothing of this program lies here.
const NOWHERE: u64 = 0x5000_0000_0000;

/// Checks everything in this file.
pub fn check(checks: &mut Checks) {
    console(checks);
    creation(checks);
    mapping(checks);
    threads(checks);
}

fn console(checks: &mut Checks) {
    let console = start::info().console.0;
    for (name, address, bytes, status) in [
        ("console-kernel-address", KERNEL, 8, BadAddress),
        ("console-unmapped", NOWHERE, 8, BadAddress),
        ("console-wraps", u64::MAX - 3, 8, BadAddress),
        ("console-into-nothing", 0x7000_0000 + PAGE_SIZE - 4, 8, BadAddress),
        (
            "console-too-long",
            0x7000_0000,
            MAX_CONSOLE_BYTES + 1,
            BadArgument,
        ),
        ("console-huge", 0x7000_0000, u64::MAX, BadArgument),
    ] {
        refused(
            checks,
            name,
            Call::ConsoleWrite,
            &[console, address, bytes],
            status,
        );
    }
}

/// Memory that cannot be: pages, placement, and the refusals that say so.
const BAD_MEMORY: [(&str, u64, u64, &[Status]); 5] = [
    ("memory-of-nothing", 0, ANYWHERE, &[BadArgument]),
    ("memory-too-large", MAX_MEMORY_PAGES + 1, ANYWHERE, &[BadArgument]),
    (
        "memory-huge",
        u64::MAX,
        Placement::PerCpu.encode(),
        &[BadArgument],
    ),
    ("memory-no-placement", 1, 0x1_0000, &[BadArgument]),
    ("memory-no-node", 1, 0xfff0, &[BadArgument, NodeExhausted]),
];

fn creation(checks: &mut Checks) {
    let own = process::own().0;
    for (name, pages, placement, ways) in BAD_MEMORY {
        let words = [own, pages, placement];
        refused_in_ways(checks, name, Call::MemoryCreate, &words, ways);
    }
    if let Some(stats) = checks.success("own-stats", process::stats(process::own())) {
        let (limit, used) = (stats.frame_limit, stats.frames_used);
        let exhausted = (AccountExhausted, [limit, used]);
        let memory = (Call::MemoryCreate, &[own, limit - used + 1, ANYWHERE][..]);
        refused_with(checks, "account-exhausted", memory, exhausted);
        let process = (Call::ProcessCreate, &[limit + 1, 0, 0][..]);
        refused_with(checks, "account-exhausted-process", process, exhausted);
    }
    let process = [0, 0, 0];
    refused(
        checks,
        "process-of-nothing",
        Call::ProcessCreate,
        &process,
        BadArgument,
    );
}

/// Mappings of two pages of memory that cannot be: address, first page, pages, access.
const BAD_MAPPINGS: [(&str, [u64; 4], Status); 12] = [
    ("map-askew", [NOWHERE + 8, 0, 1, access::READ], Misaligned),
    ("map-kernel", [KERNEL, 0, 1, access::READ], BadAddress),
    ("map-null", [0, 0, 1, access::READ], BadAddress),
    ("map-last-page", [LAST_PAGE, 0, 1, access::READ], BadAddress),
    (
        "map-across-the-end",
        [LAST_PAGE - PAGE_SIZE, 0, 2, access::READ],
        BadAddress,
    ),
    (
        "map-wraps",
        [u64::MAX - PAGE_SIZE + 1, 0, 2, access::READ],
        BadAddress,
    ),
    (
        "map-in-window",
        [WINDOW_BASE + (1 << 20), 0, 1, access::WRITE],
        BadAddress,
    ),
    ("map-too-many", [NOWHERE, 0, 3, access::READ], BadArgument),
    ("map-behind", [NOWHERE, 2, 1, access::READ], BadArgument),
    ("map-overflow", [NOWHERE, u64::MAX, 2, access::READ], BadArgument),
    ("map-nothing", [NOWHERE, 0, 0, access::READ], BadArgument),
    ("map-no-access", [NOWHERE, 0, 1, 3], BadArgument),
];

fn mapping(checks: &mut Checks) {
    let own = process::own();
    let Some(memory) = checks.success("memory", Memory::own(2)) else {
        return;
    };
    let handle = memory.handle().0;
    for (name, [address, first, pages, how], status) in BAD_MAPPINGS {
        let words = [own.0, handle, address, first, pages, how];
        refused(checks, name, Call::MemoryMap, &words, status);
    }
    read_only(checks, &memory);
    let unmap = [own.0, NOWHERE, 1];
    refused(checks, "unmap-nothing", Call::MemoryUnmap, &unmap, NotMapped);
    if let Some(mapping) = checks.success("map", Mapping::new(memory)) {
        let second_page = mapping.address() as u64 + PAGE_SIZE;
        let words = [own.0, handle, second_page, 0, 1, access::READ];
        refused(checks, "already-mapped", Call::MemoryMap, &words, AlreadyMapped);
        // The page in front, which is free, stays so when the second one is refused.
        let before = mapping.address() as u64 - PAGE_SIZE;
        for name in ["map-half", "map-half-left-nothing"] {
            let words = [own.0, handle, before, 0, 2, access::READ];
            refused(checks, name, Call::MemoryMap, &words, AlreadyMapped);
        }
        let unreadable = [start::info().console.0, before, 8];
        refused(
            checks,
            "map-half-is-unmapped",
            Call::ConsoleWrite,
            &unreadable,
            BadAddress,
        );
    }
}

/// A capability that lacks a right cannot be used as if it had it, and a copy of it gains none.
fn read_only(checks: &mut Checks, memory: &Memory) {
    let own = process::own();
    let weak = process::grant(own, memory.handle(), Rights::READ.or(Rights::GRANT), 0);
    let Some(weak) = checks.success("memory-read-only", weak) else {
        return;
    };
    let copy = process::grant(own, weak, Rights::ALL, 0);
    let Some(copy) = checks.success("memory-read-only-copy", copy) else {
        return;
    };
    for (name, handle) in [("map-missing-right", weak), ("grant-adds-no-right", copy)] {
        let words = [own.0, handle.0, NOWHERE, 0, 1, access::WRITE];
        refused(checks, name, Call::MemoryMap, &words, MissingRight);
        checks.equal("memory-copy-drop", ipc::drop_capability(handle), Ok(()));
    }
}

fn threads(checks: &mut Checks) {
    let own = process::own().0;
    let entry = 0x40_0000;
    let create = Call::ThreadCreate;
    refused(
        checks,
        "thread-in-kernel",
        create,
        &[own, KERNEL, NOWHERE, 0, ANY_CPU],
        BadAddress,
    );
    let no_cpu = &[NotOnline, BadArgument];
    refused_in_ways(
        checks,
        "thread-no-cpu",
        create,
        &[own, entry, NOWHERE, 0, 9999],
        no_cpu,
    );
    refused(
        checks,
        "affinity-nowhere",
        Call::ThreadAffinity,
        &[0; 5],
        NotOnline,
    );
}
