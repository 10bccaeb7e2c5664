//! Starting one program of the manifest.

use abi::percpu::{PercpuError, Request};
use abi::start::StartInfo;
use abi::window::STATIC_FIRST_PAGE;
use abi::{PAGE_SIZE, Rights};
use boot_module::{Archive, Program, Run, Template};
use userlib::process::Child;
use userlib::{percpu, println, start};

use crate::child::{self, Texts};
use crate::failure::Failure;
use crate::server::Server;

/// Starts a program; when anything is refused, its process is ended and everything of it comes back.
pub fn launch(archive: &Archive<'_>, server: &Server, run: &Run<'_>, badge: u64) -> Result<Child, Failure> {
    let program = Program::read(archive.find(run.name)?)?;
    let child = Child::create(run.memory_frames, run.name).map_err(Failure::doing("make a process"))?;
    match fill_and_start(&child, &program, server, run, badge) {
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
    server: &Server,
    run: &Run<'_>,
    badge: u64,
) -> Result<(), Failure> {
    child::load(child, program)?;
    attach(child, &program.template, server, run.quota_pages, badge)?;
    let percpu = child.grant(server.endpoint.0, Rights::SEND, badge);
    let info = StartInfo {
        percpu: percpu.map_err(Failure::doing("grant the percpu server's endpoint"))?,
        quota_pages: run.quota_pages,
        ..child::give_basics(child)?
    };
    let texts = Texts {
        name: run.name,
        argument: run.argument,
    };
    child::start(child, program.entry, info, texts)
}

/// Makes it a client of the percpu server, and copies its template to every unit.
fn attach(
    child: &Child,
    template: &Template<'_>,
    server: &Server,
    quota_pages: u64,
    badge: u64,
) -> Result<(), Failure> {
    let request = Request::Attach {
        badge,
        quota_pages,
        static_pages: template.pages,
    };
    let message = request.encode().with_capability(child.window());
    let answer = server.privileged.call(&message).map_err(percpu::Error::Kernel)?;
    let [pool, ..] = PercpuError::from_answer(&answer).map_err(percpu::Error::Refused)?;
    if pool != 0 && start::info().handover.reserved_pages > 0 {
        println!("init: the reserved part is used up: static part of badge {badge} in dynamic pages");
    }
    child
        .fill_window(STATIC_FIRST_PAGE * PAGE_SIZE, template.bytes)
        .map_err(Failure::doing("copy the per-CPU statics"))
}
