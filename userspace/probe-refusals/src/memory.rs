//! Kernel calls on memory that is not there, not ours, or not to be had; and CPUs that do not exist.

use userlib::abi::syscall::{ANY_CPU, MAX_CONSOLE_BYTES, MAX_MEMORY_PAGES, Placement, access};
use userlib::abi::window::WINDOW_BASE;
use userlib::abi::{Call, PAGE_SIZE, Rights, Status};
use userlib::checks::Checks;
use userlib::memory::{Mapping, Memory};
use userlib::{ipc, process, start};

use crate::raw::{refused, refused_in_ways, refused_with};

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
        ("console-kernel-address", KERNEL, 8, Status::BadAddress),
        ("console-unmapped", NOWHERE, 8, Status::BadAddress),
        ("console-wraps", u64::MAX - 3, 8, Status::BadAddress),
        (
            "console-into-nothing",
            0x7000_0000 + PAGE_SIZE - 4,
            8,
            Status::BadAddress,
        ),
        (
            "console-too-long",
            0x7000_0000,
            MAX_CONSOLE_BYTES + 1,
            Status::BadArgument,
        ),
        ("console-huge", 0x7000_0000, u64::MAX, Status::BadArgument),
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

fn creation(checks: &mut Checks) {
    let own = process::own().0;
    let anywhere = Placement::Anywhere.encode();
    let create = |checks: &mut Checks, name, pages, placement, ways: &[Status]| {
        refused_in_ways(checks, name, Call::MemoryCreate, &[own, pages, placement], ways);
    };
    let argument = &[Status::BadArgument];
    create(checks, "memory-of-nothing", 0, anywhere, argument);
    create(
        checks,
        "memory-too-large",
        MAX_MEMORY_PAGES + 1,
        anywhere,
        argument,
    );
    create(
        checks,
        "memory-huge",
        u64::MAX,
        Placement::PerCpu.encode(),
        argument,
    );
    create(checks, "memory-no-placement", 1, 0x1_0000, argument);
    create(
        checks,
        "memory-no-node",
        1,
        0xfff0,
        &[Status::BadArgument, Status::NodeExhausted],
    );
    if let Some(stats) = checks.success("own-stats", process::stats(process::own())) {
        let (limit, used) = (stats.frame_limit, stats.frames_used);
        let call = (Call::MemoryCreate, &[own, limit - used + 1, anywhere][..]);
        refused_with(
            checks,
            "account-exhausted",
            call,
            (Status::AccountExhausted, [limit, used]),
        );
        let process = (Call::ProcessCreate, &[limit + 1, 0, 0][..]);
        refused_with(
            checks,
            "account-exhausted-process",
            process,
            (Status::AccountExhausted, [limit, used]),
        );
    }
    refused(
        checks,
        "process-of-nothing",
        Call::ProcessCreate,
        &[0, 0, 0],
        Status::BadArgument,
    );
}

fn mapping(checks: &mut Checks) {
    let own = process::own();
    let Some(memory) = checks.success("memory", Memory::own(2)) else {
        return;
    };
    let handle = memory.handle().0;
    for (name, address, first, pages, how, status) in [
        ("map-askew", NOWHERE + 8, 0, 1, access::READ, Status::Misaligned),
        ("map-kernel", KERNEL, 0, 1, access::READ, Status::BadAddress),
        ("map-null", 0, 0, 1, access::READ, Status::BadAddress),
        ("map-last-page", LAST_PAGE, 0, 1, access::READ, Status::BadAddress),
        (
            "map-across-the-end",
            LAST_PAGE - PAGE_SIZE,
            0,
            2,
            access::READ,
            Status::BadAddress,
        ),
        (
            "map-wraps",
            u64::MAX - PAGE_SIZE + 1,
            0,
            2,
            access::READ,
            Status::BadAddress,
        ),
        (
            "map-in-window",
            WINDOW_BASE + (1 << 20),
            0,
            1,
            access::WRITE,
            Status::BadAddress,
        ),
        ("map-too-many", NOWHERE, 0, 3, access::READ, Status::BadArgument),
        ("map-behind", NOWHERE, 2, 1, access::READ, Status::BadArgument),
        (
            "map-overflow",
            NOWHERE,
            u64::MAX,
            2,
            access::READ,
            Status::BadArgument,
        ),
        ("map-nothing", NOWHERE, 0, 0, access::READ, Status::BadArgument),
        ("map-no-access", NOWHERE, 0, 1, 3, Status::BadArgument),
    ] {
        let words = [own.0, handle, address, first, pages, how];
        refused(checks, name, Call::MemoryMap, &words, status);
    }
    read_only(checks, &memory);
    let unmap = [own.0, NOWHERE, 1];
    refused(
        checks,
        "unmap-nothing",
        Call::MemoryUnmap,
        &unmap,
        Status::NotMapped,
    );
    if let Some(mapping) = checks.success("map", Mapping::new(memory)) {
        let second_page = mapping.address() as u64 + PAGE_SIZE;
        let words = [own.0, handle, second_page, 0, 1, access::READ];
        refused(
            checks,
            "already-mapped",
            Call::MemoryMap,
            &words,
            Status::AlreadyMapped,
        );
    }
}

/// A capability that lacks a right cannot be used as if it had it.
fn read_only(checks: &mut Checks, memory: &Memory) {
    let own = process::own();
    let read_only = process::grant(own, memory.handle(), Rights::READ, 0);
    if let Some(read_only) = checks.success("memory-read-only", read_only) {
        let words = [own.0, read_only.0, NOWHERE, 0, 1, access::WRITE];
        let missing = Status::MissingRight;
        refused(checks, "map-missing-right", Call::MemoryMap, &words, missing);
        checks.equal("memory-read-only-drop", ipc::drop_capability(read_only), Ok(()));
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
        Status::BadAddress,
    );
    let no_cpu = &[Status::NotOnline, Status::BadArgument];
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
        Status::NotOnline,
    );
}
