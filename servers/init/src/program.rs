//! Starting one program of the manifest.

use abi::percpu::{Name, OBSERVER, PercpuError, Request};
use abi::start::{Handover, StartInfo};
use abi::window::STATIC_FIRST_PAGE;
use abi::{Handle, PAGE_SIZE, Rights};
use boot_module::{Archive, Program, Run, Template};
use userlib::process::{self, Child};
use userlib::{percpu, println, start};

use crate::child::{self, Texts};
use crate::failure::Failure;
use crate::supervisor::Supervisor;
use crate::{driver, roster, server};

/// The badge of a program with this number: nobody but init makes one that may observe.
pub const fn badge(run: &Run<'_>, number: u64) -> u64 {
    match run.is_observer {
        true => number | OBSERVER,
        false => number,
    }
}

/// Starts a program; when anything is refused, its process is ended and everything of it comes back.
pub fn launch(
    archive: &Archive<'_>,
    supervisor: &Supervisor,
    run: &Run<'_>,
    badge: u64,
) -> Result<Child, Failure> {
    let program = Program::read(archive.find(run.name)?)?;
    let child = Child::create(run.memory_frames, run.name).map_err(Failure::doing("make a process"))?;
    match fill_and_start(&child, &program, supervisor, run, badge) {
        Ok(()) => Ok(child),
        Err(failure) => {
            // The failure is what is reported; a process that cannot even be ended holds its frames.
            let _ = child.end();
            Err(failure)
        }
    }
}

fn fill_and_start(
    child: &Child,
    program: &Program<'_>,
    supervisor: &Supervisor,
    run: &Run<'_>,
    badge: u64,
) -> Result<(), Failure> {
    // Before it is anybody's client, so that a percpu server that follows learns of it.
    roster::add(supervisor.deaths, badge, child.window())?;
    process::set_priority(child.process(), run.priority, run.priority)
        .map_err(Failure::doing("give a program its priority"))?;
    child::load(child, program)?;
    attach(child, &program.template, supervisor, run, badge)?;
    let percpu = child.grant(supervisor.server.endpoint.0, Rights::SEND, badge);
    let info = StartInfo {
        percpu: percpu.map_err(Failure::doing("grant the percpu server's endpoint"))?,
        supervisor: match run.has_supervisor {
            true => supervisor.grant_to(child, badge)?,
            false => Handle::NONE,
        },
        quota_pages: run.quota_pages,
        handover: Handover {
            machine: give_machine(child, run)?,
            ..Handover::default()
        },
        ..child::give_basics(child, console_rights(run))?
    };
    let info = match run.device {
        Some(device) => driver::give(child, device, info)?,
        None => info,
    };
    let texts = Texts {
        name: run.name,
        argument: run.argument,
    };
    child::start(child, program.entry, info, texts)
}

/// Those who may start others may also let them print.
fn console_rights(run: &Run<'_>) -> Rights {
    match run.has_supervisor {
        true => Rights::WRITE.or(Rights::GRANT),
        false => Rights::WRITE,
    }
}

/// Those who may start others may also count what is there, and nothing else of the machine.
fn give_machine(child: &Child, run: &Run<'_>) -> Result<Handle, Failure> {
    if !run.has_supervisor {
        return Ok(Handle::NONE);
    }
    let machine = start::info().handover.machine;
    let granted = child.grant(machine, Rights::READ.or(Rights::GRANT), 0);
    granted.map_err(Failure::doing("grant the machine"))
}

/// Its name for the percpu server, which it cannot choose: as much as there is room for, and what cannot be printed is not.
fn owner(name: &str) -> Name {
    let mut owner = [0; 16];
    let printable = name.bytes().filter(u8::is_ascii_graphic);
    owner.iter_mut().zip(printable).for_each(|(to, byte)| *to = byte);
    owner
}

/// Makes it a client of the percpu server, and copies its template to every unit.
fn attach(
    child: &Child,
    template: &Template<'_>,
    supervisor: &Supervisor,
    run: &Run<'_>,
    badge: u64,
) -> Result<(), Failure> {
    let request = Request::Attach {
        badge,
        quota_pages: run.quota_pages,
        static_pages: template.pages,
        name: owner(run.name),
    };
    let message = server::numbered(&request).with_capability(child.window());
    let answer = percpu::call_again(supervisor.server.privileged, &message).map_err(percpu::Error::Kernel)?;
    let [pool, ..] = PercpuError::from_answer(&answer).map_err(percpu::Error::Refused)?;
    if pool != 0 && start::info().handover.reserved_pages > 0 {
        println!(
            "init: the reserved part is used up: static part of {} in dynamic pages",
            run.name
        );
    }
    child
        .fill_window(STATIC_FIRST_PAGE * PAGE_SIZE, template.bytes)
        .map_err(Failure::doing("copy the per-CPU statics"))
}
