//! Kernel calls on handles that name nothing, the wrong thing, or too little.

use userlib::abi::syscall::ANY_CPU;
use userlib::abi::{Call, Handle, Rights, Status};
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint};
use userlib::{process, start};

use crate::raw::{refused, refused_in_ways, unknown};

/// Checks everything in this file.
pub fn check(checks: &mut Checks) {
    for (name, number) in [
        ("unknown-call", 6),
        ("unknown-call-999", 999),
        ("unknown-call-huge", u64::MAX),
    ] {
        unknown(checks, name, number);
    }
    refused(checks, "no-caller", Call::Reply, &[], Status::NoCaller);
    handles(checks);
    kinds_and_rights(checks);
    grants(checks);
    full_table(checks);
}

/// A copy of what `handle` names, to this program itself.
fn copy(handle: u64) -> [u64; 4] {
    [process::own().0, handle, u64::from(Rights::SEND.0), 0]
}

fn handles(checks: &mut Checks) {
    let nothing = &[Status::NoSuchHandle, Status::StaleHandle];
    for (name, handle) in [
        ("handle-none", 0),
        ("handle-empty-slot", Handle::new(250, 1).0),
        ("handle-no-slot", Handle::new(0xffff, 1).0),
        ("handle-garbage", u64::MAX),
    ] {
        refused_in_ways(checks, name, Call::CapabilityGrant, &copy(handle), nothing);
    }
    refused_in_ways(checks, "handle-of-machine", Call::MachineExit, &[0, 1], nothing);
    let Some(old) = checks.success("endpoint", Endpoint::create()) else {
        return;
    };
    checks.equal("endpoint-drop", ipc::drop_capability(old.0), Ok(()));
    let old = old.0.0;
    refused_in_ways(
        checks,
        "handle-dropped",
        Call::CapabilityGrant,
        &copy(old),
        nothing,
    );
    refused_in_ways(
        checks,
        "handle-dropped-twice",
        Call::CapabilityDrop,
        &[old],
        nothing,
    );
    slot_taken_again(checks, Handle(old));
}

/// A handle of the past does not name what has taken its slot.
fn slot_taken_again(checks: &mut Checks, old: Handle) {
    let mut made = [Handle::NONE; 256];
    let mut count = 0;
    while count < made.len() && !made[..count].iter().any(|new| new.index() == old.index()) {
        match Endpoint::create() {
            Ok(endpoint) => made[count] = endpoint.0,
            Err(_) => break,
        }
        count += 1;
    }
    let stale = Status::StaleHandle;
    refused(checks, "handle-stale", Call::CapabilityGrant, &copy(old.0), stale);
    refused(checks, "handle-stale-drop", Call::CapabilityDrop, &[old.0], stale);
    drop_all(checks, &made[..count]);
}

fn drop_all(checks: &mut Checks, handles: &[Handle]) {
    let dropped = handles
        .iter()
        .all(|handle| ipc::drop_capability(*handle) == Ok(()));
    checks.that(
        "endpoints-drop",
        dropped,
        format_args!("a handle could not be dropped"),
    );
}

fn kinds_and_rights(checks: &mut Checks) {
    let info = start::info();
    let [process, console, percpu] = [info.process.0, info.console.0, info.percpu.0];
    let wrong = Status::WrongKind;
    refused(checks, "kind-call", Call::Call, &[process], wrong);
    refused(checks, "kind-machine", Call::MachineExit, &[process, 1], wrong);
    refused(
        checks,
        "kind-console",
        Call::ConsoleWrite,
        &[process, 0, 0],
        wrong,
    );
    refused(
        checks,
        "kind-memory",
        Call::MemoryMap,
        &[process, console, 0x5000_0000, 0, 1, 0],
        wrong,
    );
    refused(
        checks,
        "kind-process",
        Call::ThreadCreate,
        &[console, 0, 0, 0, ANY_CPU],
        wrong,
    );
    refused(checks, "kind-window", Call::WindowQuery, &[console, 0], wrong);
    let missing = Status::MissingRight;
    let grant = [process, percpu, u64::from(Rights::SEND.0), 0];
    refused(checks, "right-grant", Call::CapabilityGrant, &grant, missing);
    refused(checks, "right-receive", Call::Receive, &[percpu], missing);
    refused(
        checks,
        "right-reply-receive",
        Call::ReplyReceive,
        &[percpu],
        missing,
    );
}

fn grants(checks: &mut Checks) {
    let own = process::own();
    let Some(endpoint) = checks.success("grant-endpoint", Endpoint::create()) else {
        return;
    };
    let bad_rights = [own.0, endpoint.0.0, 64, 0];
    refused(
        checks,
        "grant-no-right",
        Call::CapabilityGrant,
        &bad_rights,
        Status::BadArgument,
    );
    let badged = process::grant(own, endpoint.0, Rights::SEND.or(Rights::GRANT), 5);
    if let Some(badged) = checks.success("grant-badge", badged) {
        let send = u64::from(Rights::SEND.0);
        let again = [own.0, badged.0, send, 6];
        refused(
            checks,
            "grant-second-badge",
            Call::CapabilityGrant,
            &again,
            Status::BadArgument,
        );
        checks.equal("grant-badge-drop", ipc::drop_capability(badged), Ok(()));
    }
    let weak = process::grant(own, endpoint.0, Rights::SEND, 0);
    if let Some(weak) = checks.success("grant-weak", weak) {
        let percpu = start::info().percpu.0;
        let carried = [percpu, 0, 0, 0, 0, 0, 0, 0, weak.0];
        let missing = Status::MissingRight;
        refused(checks, "right-grant-in-message", Call::Call, &carried, missing);
        checks.equal("grant-weak-drop", ipc::drop_capability(weak), Ok(()));
    }
    checks.equal("grant-endpoint-drop", ipc::drop_capability(endpoint.0), Ok(()));
}

/// Fills the capability table, and empties it again.
fn full_table(checks: &mut Checks) {
    let mut made = [Handle::NONE; 1024];
    let mut count = 0;
    let refusal = loop {
        match Endpoint::create() {
            Ok(endpoint) if count < made.len() => {
                made[count] = endpoint.0;
                count += 1;
            }
            Ok(_) => break None,
            Err(refusal) => break Some(refusal),
        }
    };
    let full =
        refusal.is_some_and(|refusal| refusal.status == Status::TableFull && refusal.words[0] > count as u64);
    checks.that("table-full", full, format_args!("{refusal:?} after {count}"));
    drop_all(checks, &made[..count]);
}
