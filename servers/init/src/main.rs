//! init, the first program: starts the percpu server, and again when it has ended, then everything that the
//! manifest names, and says how it all ended.
//!
//! The kernel gives init all authority there is. init gives the percpu server what is left of the first
//! chunk and half of the free frames, and each program just its own process, the console, and a badged way
//! to the server. What it reads and how it judges is in `boot-module`.
#![no_std]
#![no_main]

mod child;
mod driver;
mod failure;
mod keeper;
mod program;
mod roster;
mod server;
mod supervisor;

use arrayvec::ArrayVec;
use boot_module::{Archive, Run, Verdict, runs};
use userlib::ipc::Endpoint;
use userlib::notification::Notification;
use userlib::sync::Once;
use userlib::{entry, println, process, start};

use failure::Failure;
use server::Keeper;
use supervisor::Supervisor;

entry!(main);

/// Most programs of one boot: the roster has no room for more.
const MOST_PROGRAMS: usize = abi::percpu::ledger::MOST_WINDOWS;

fn main() -> Result<(), Failure> {
    let all_good = run_all().unwrap_or_else(|failure| {
        println!("init: {failure}");
        false
    });
    println!(
        "{}",
        if all_good {
            "all checks done"
        } else {
            "some checks failed"
        }
    );
    if start::argument().split_whitespace().any(|word| word == "hold") {
        hold()?;
    }
    let machine = start::info().handover.machine;
    let verdict = u64::from(!all_good);
    Err(Failure::Kernel(
        "end the machine",
        process::end_machine(machine, verdict),
    ))
}

/// Runs everything at once (but see [`Run::is_in_turn`]), waits for all, and reports in the manifest's order.
fn run_all() -> Result<bool, Failure> {
    let archive = Archive::new(start::boot_module());
    let deaths = Notification::create().map_err(Failure::doing("make a notification"))?;
    let (keeper, server) = Keeper::new(archive)?;
    keeper::watch(keeper, deaths)?;
    let mut list: ArrayVec<_, MOST_PROGRAMS> = ArrayVec::new();
    for run in runs(archive.find("manifest")?)? {
        let full = |_| Failure::TooManyPrograms(MOST_PROGRAMS);
        list.try_push(run?).map_err(full)?;
    }
    static SUPERVISOR: Once<Supervisor> = Once::new();
    let endpoint = Endpoint::create().map_err(Failure::doing("make an endpoint"))?;
    let supervisor = SUPERVISOR.call_once(|| Supervisor {
        archive,
        server,
        deaths,
        endpoint,
        runs: list,
    });
    let mut badges = abi::percpu::INIT_BADGE + 1..;
    let mut all_good = true;
    for (index, turn) in supervisor.runs.chunk_by(|_, next| !next.is_in_turn).enumerate() {
        let launch = |(run, number)| {
            let badge = program::badge(run, number);
            (run, badge, program::launch(&archive, supervisor, run, badge))
        };
        let started: ArrayVec<_, MOST_PROGRAMS> = turn.iter().zip(&mut badges).map(launch).collect();
        if index == 0 {
            supervisor::serve(supervisor)?;
        }
        for (run, badge, launched) in started {
            let end =
                launched.and_then(|child| process::wait(child.process()).map_err(Failure::doing("wait")));
            all_good &= report(run, end);
            roster::wait_until_gone(badge);
        }
    }
    Ok(all_good)
}

fn report(run: &Run<'_>, end: Result<abi::syscall::End, Failure>) -> bool {
    let name = run.name;
    match end {
        Ok(end) => {
            let verdict = Verdict {
                expect: run.expect,
                end,
            };
            println!("program {name}: {verdict}");
            verdict.is_good()
        }
        Err(failure) => {
            println!("program {name}: failed: not started: {failure}");
            false
        }
    }
}

/// Waits for ever, so that all CPUs idle and somebody can look at them.
fn hold() -> Result<(), Failure> {
    println!("holding");
    let nobody = Endpoint::create().map_err(Failure::doing("make an endpoint"))?;
    nobody
        .receive()
        .map(drop)
        .map_err(Failure::doing("wait for nobody"))
}
