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
        ("unknown-call", 5),
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

fn handles(checks: &mut Checks) {
    for (name, handle) in [
        ("handle-none", 0),
        ("handle-empty-slot", Handle::new(250, 1).0),
        ("handle-no-slot", Handle::new(0xffff, 1).0),
        ("handle-garbage", u64::MAX),
    ] {
        refused_in_ways(
            checks,
            name,
            Call::Receive,
            &[handle],
            &[Status::NoSuchHandle, Status::StaleHandle],
        );
        refused_in_ways(
            checks,
            name,
            Call::MachineExit,
            &[handle, 1],
            &[Status::NoSuchHandle, Status::StaleHandle],
        );
    }
    let Some(endpoint) = checks.success("endpoint", Endpoint::create()) else {
        return;
    };
    checks.equal("endpoint-drop", ipc::drop_capability(endpoint.0), Ok(()));
    let dropped = [Status::StaleHandle, Status::NoSuchHandle];
    refused_in_ways(checks, "handle-dropped", Call::Receive, &[endpoint.0.0], &dropped);
    refused_in_ways(
        checks,
        "handle-dropped-twice",
        Call::CapabilityDrop,
        &[endpoint.0.0],
        &dropped,
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
    refused(checks, "right-receive", Call::Receive, &[percpu], missing);
    refused(
        checks,
        "right-reply-receive",
        Call::ReplyReceive,
        &[percpu],
        missing,
    );
    let grant = [process, console, u64::from(Rights::WRITE.0), 0];
    refused(checks, "right-grant", Call::CapabilityGrant, &grant, missing);
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
        let more = process::grant(own, badged, Rights::ALL, 0).map(Endpoint);
        if let Some(more) = checks.success("grant-copy", more) {
            refused(
                checks,
                "grant-adds-no-right",
                Call::Receive,
                &[more.0.0],
                Status::MissingRight,
            );
            checks.equal("grant-copy-drop", ipc::drop_capability(more.0), Ok(()));
        }
        checks.equal("grant-badge-drop", ipc::drop_capability(badged), Ok(()));
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
    let dropped = made[..count]
        .iter()
        .all(|handle| ipc::drop_capability(*handle) == Ok(()));
    checks.that(
        "table-empty-again",
        dropped,
        format_args!("a handle could not be dropped"),
    );
}
