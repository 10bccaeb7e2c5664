//! Watches: the percpu server is started again when it has ended, and ended programs leave the roster.

use core::sync::atomic::{AtomicU64, Ordering};

use abi::syscall::End;
use userlib::notification::Notification;
use userlib::thread::{self, Place};
use userlib::{println, process, start};

use crate::failure::Failure;
use crate::roster::{self, SERVER_BIT};
use crate::server::Keeper;

/// Servers in a row that ended by themselves, after which there is no sense in another one.
const MOST_FAILURES: u64 = 8;

static RESTARTS: AtomicU64 = AtomicU64::new(0);

/// How often the server was started again.
pub fn restarts() -> u64 {
    RESTARTS.load(Ordering::SeqCst)
}

/// Starts the first server, and the thread that watches it and everything else.
pub fn watch(mut keeper: Keeper, deaths: Notification) -> Result<(), Failure> {
    let first = start_server(&mut keeper, deaths)?;
    let watcher = thread::spawn(Place::Anywhere, move || {
        let failure = keep(&mut keeper, deaths, first);
        println!("init: {failure}");
        println!("some checks failed");
        process::end_machine(start::info().handover.machine, 1);
        1
    });
    // The watcher outlives everything: nobody joins it.
    watcher.map(drop).map_err(Failure::doing("start a thread"))
}

/// Until the server cannot be started any more.
fn keep(keeper: &mut Keeper, deaths: Notification, mut server: abi::Handle) -> Failure {
    let mut failures = 0;
    loop {
        let bits = match deaths.wait() {
            Ok(bits) => bits,
            Err(refusal) => return Failure::Kernel("watch", refusal),
        };
        roster::remove(bits & !SERVER_BIT);
        if bits & SERVER_BIT == 0 {
            continue;
        }
        match process::wait(server) {
            Ok(End::Killed) => failures = 0,
            Ok(end) => {
                println!("init: the percpu server ended: {end:?}");
                failures += 1;
            }
            Err(refusal) => return Failure::Kernel("ask for an end", refusal),
        }
        if failures == MOST_FAILURES {
            return Failure::ServerKeepsFailing;
        }
        server = match start_server(keeper, deaths) {
            Ok(server) => server,
            Err(failure) => return failure,
        };
        RESTARTS.fetch_add(1, Ordering::SeqCst);
    }
}

fn start_server(keeper: &mut Keeper, deaths: Notification) -> Result<abi::Handle, Failure> {
    let server = keeper.start()?;
    let told = deaths.on_death(server, SERVER_BIT);
    told.map_err(Failure::doing("watch the percpu server"))?;
    Ok(server)
}
