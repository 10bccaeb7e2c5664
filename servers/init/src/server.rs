//! The percpu server: started before everything that needs it, and watched.

use abi::percpu::INIT_BADGE;
use abi::start::{Handover, StartInfo};
use abi::{Handle, Rights};
use boot_module::{Archive, Program};
use userlib::ipc::Endpoint;
use userlib::process::{self, Child};
use userlib::thread::{self, Place};
use userlib::{println, start};

use crate::child::{self, Texts};
use crate::failure::Failure;

const NAME: &str = "percpu";

/// The running server.
#[derive(Debug)]
pub struct Server {
    /// Its endpoint, with all rights.
    pub endpoint: Endpoint,
    /// init's own way to it, with init's badge.
    pub privileged: Endpoint,
}

impl Server {
    /// Starts it with what is left of the first chunk and half of the free frames.
    pub fn start(archive: &Archive<'_>) -> Result<Server, Failure> {
        let file = Program::read(archive.find(NAME)?)?;
        if file.template.pages > 0 {
            return Err(Failure::ServerWithStatics);
        }
        let own = process::stats(process::own()).map_err(Failure::doing("count frames"))?;
        let frames = (own.frame_limit - own.frames_used) / 2;
        let server = Child::create(frames, NAME).map_err(Failure::doing("make the percpu server"))?;
        let endpoint = Endpoint::create().map_err(Failure::doing("make an endpoint"))?;
        child::load(&server, &file)?;
        let info = give(&server, endpoint)?;
        let texts = Texts {
            name: NAME,
            argument: "",
        };
        child::start(&server, file.entry, info, texts)?;
        watch(server.process())?;
        let privileged = process::grant(process::own(), endpoint.0, Rights::SEND, INIT_BADGE);
        let privileged = Endpoint(privileged.map_err(Failure::doing("badge an endpoint"))?);
        Ok(Server { endpoint, privileged })
    }
}

/// Everything that the server is given, by its handles there.
fn give(server: &Child, endpoint: Endpoint) -> Result<StartInfo, Failure> {
    let grant = |capability: Handle, rights: Rights| match capability.is_none() {
        true => Ok(Handle::NONE),
        false => server
            .grant(capability, rights, 0)
            .map_err(Failure::doing("grant a capability to the percpu server")),
    };
    let own = start::info().handover;
    let handover = Handover {
        machine: Handle::NONE,
        reserved: grant(own.reserved, Rights::MANAGE)?,
        dynamic: grant(own.dynamic, Rights::MANAGE)?,
        module_bytes: 0,
        ..own
    };
    Ok(StartInfo {
        percpu: grant(endpoint.0, Rights::RECEIVE)?,
        handover,
        ..child::give_basics(server)?
    })
}

/// Ends the machine with a failure when the server ends, since its clients would wait for ever.
fn watch(server: Handle) -> Result<(), Failure> {
    let machine = start::info().handover.machine;
    let watcher = thread::spawn(Place::Anywhere, move || {
        match process::wait(server) {
            Ok(end) => println!("init: the percpu server ended: {end:?}"),
            Err(refusal) => println!("init: the percpu server cannot be watched: {refusal}"),
        }
        println!("some checks failed");
        process::end_machine(machine, 1);
        1
    });
    // The watcher outlives everything: nobody joins it.
    watcher.map(drop).map_err(Failure::doing("start a thread"))
}
