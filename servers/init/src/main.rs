//! init, the first program: starts the percpu server, then everything that the manifest names, and says how
//! it all ended.
//!
//! The kernel gives init all authority there is. init gives the percpu server what is left of the first
//! chunk and half of the free frames, and each program just its own process, the console, and a badged way
//! to the server. What it reads and how it judges is in `boot-module`.
#![no_std]
#![no_main]

mod child;
mod failure;
mod program;
mod server;

use arrayvec::ArrayVec;
use boot_module::{Archive, Run, Verdict, runs};
use userlib::ipc::Endpoint;
use userlib::{entry, println, process, start};

use failure::Failure;
use server::Server;

entry!(main);

/// Most programs of one boot; the percpu server takes no more clients.
const MOST_PROGRAMS: usize = 64;

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

/// Runs everything at once, waits for all, and reports in the manifest's order.
fn run_all() -> Result<bool, Failure> {
    let archive = Archive::new(start::boot_module());
    let server = Server::start(&archive)?;
    let mut started: ArrayVec<_, MOST_PROGRAMS> = ArrayVec::new();
    let mut all_good = true;
    for run in runs(archive.find("manifest")?)? {
        let run = run?;
        let badge = abi::percpu::INIT_BADGE + 1 + started.len() as u64;
        let launched = program::launch(&archive, &server, &run, badge);
        let full = |_| Failure::TooManyPrograms(MOST_PROGRAMS);
        started.try_push((run, launched)).map_err(full)?;
    }
    for (run, launched) in started {
        let end = launched.and_then(|child| process::wait(child.process()).map_err(Failure::doing("wait")));
        all_good &= report(&run, end);
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
