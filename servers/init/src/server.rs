//! The percpu server: started before everything that needs it, and again whenever it has ended.
//!
//! What outlives it is init's: the endpoint at which its clients wait, the account that pays for its pools, the
//! ledger, and the windows of the programs that live.

use core::sync::atomic::{AtomicU64, Ordering};

use abi::percpu::{INIT_BADGE, Request, ledger};
use abi::start::{Handover, StartInfo};
use abi::syscall::{HIGHEST_PRIORITY, Moment};
use abi::{Handle, Message, Rights};
use boot_module::{Archive, Program};
use userlib::ipc::{self, Endpoint};
use userlib::memory::{Mapping, Memory};
use userlib::process::{self, Child};
use userlib::start;
use userlib::sync::Mutex;

use crate::child::{self, Texts};
use crate::failure::Failure;
use crate::roster;

const NAME: &str = "percpu";
/// Frames of the server itself: its program, its heap, its page tables.
const OWN_FRAMES: u64 = 1024;
/// Frames for each possible CPU: a thread's stack, and page tables of the window.
const FRAMES_PER_CPU: u64 = 12;

/// The ways to the server, whichever it is.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    /// Its endpoint, with all rights.
    pub endpoint: Endpoint,
    /// init's own way to it, with init's badge.
    pub privileged: Endpoint,
}

/// What all percpu servers have in common.
#[derive(Debug)]
pub struct Keeper {
    archive: Archive<'static>,
    endpoint: Endpoint,
    pool: Handle,
    ledger: Mapping,
    ledger_handle: Handle,
}

/// The process that is the server now.
static PROCESS: Mutex<Handle> = Mutex::new(Handle::NONE);
/// The account that pays for the pools.
static POOL: Mutex<Handle> = Mutex::new(Handle::NONE);
/// When the next one ends, for tests.
static NEXT_END: Mutex<Option<(u64, Moment)>> = Mutex::new(None);

impl Keeper {
    /// Makes everything that lasts. Half of the free frames are for the pools.
    pub fn new(archive: Archive<'static>) -> Result<(Keeper, Server), Failure> {
        let own = process::stats(process::own()).map_err(Failure::doing("count frames"))?;
        let frames = (own.frame_limit - own.frames_used) / 2;
        let pool = Child::create(frames, "percpu-pool").map_err(Failure::doing("make the pools' account"))?;
        *POOL.lock() = pool.process();
        let endpoint = Endpoint::create().map_err(Failure::doing("make an endpoint"))?;
        let privileged = process::grant(process::own(), endpoint.0, Rights::SEND, INIT_BADGE);
        let privileged = Endpoint(privileged.map_err(Failure::doing("badge an endpoint"))?);
        let memory = Memory::own(ledger::PAGES).map_err(Failure::doing("make the ledger"))?;
        let ledger_handle = memory.handle();
        let keeper = Keeper {
            archive,
            endpoint,
            pool: pool.process(),
            ledger: Mapping::new(memory).map_err(Failure::doing("map the ledger"))?,
            ledger_handle,
        };
        Ok((keeper, Server { endpoint, privileged }))
    }

    /// Starts a server, the first one or the next.
    pub fn start(&mut self) -> Result<Handle, Failure> {
        let file = Program::read(self.archive.find(NAME)?)?;
        if file.template.pages > 0 {
            return Err(Failure::ServerWithStatics);
        }
        let frames = OWN_FRAMES + FRAMES_PER_CPU * start::info().handover.possible_cpus;
        let server = Child::create(frames, NAME).map_err(Failure::doing("make the percpu server"))?;
        process::set_priority(server.process(), HIGHEST_PRIORITY, HIGHEST_PRIORITY)
            .map_err(Failure::doing("give the percpu server its priority"))?;
        child::load(&server, &file)?;
        let info = self.give(&server)?;
        self.write_roster(&server)?;
        if let Some((calls, moment)) = NEXT_END.lock().take() {
            process::end_at(server.process(), calls, moment).map_err(Failure::doing("arm the server"))?;
        }
        let texts = Texts {
            name: NAME,
            argument: "",
        };
        child::start(&server, file.entry, info, texts)?;
        ipc::drop_capability(server.window()).map_err(Failure::doing("drop a window"))?;
        let before = core::mem::replace(&mut *PROCESS.lock(), server.process());
        if !before.is_none() {
            ipc::drop_capability(before).map_err(Failure::doing("drop the former server"))?;
        }
        Ok(server.process())
    }

    /// Everything that the server is given, by its handles there.
    fn give(&self, server: &Child) -> Result<StartInfo, Failure> {
        let grant = |capability: Handle, rights: Rights| match capability.is_none() {
            true => Ok(Handle::NONE),
            false => server
                .grant(capability, rights, 0)
                .map_err(Failure::doing("grant a capability to the percpu server")),
        };
        let own = start::info().handover;
        let handover = Handover {
            machine: grant(own.machine, Rights::READ.or(Rights::WRITE))?,
            reserved: grant(own.reserved, Rights::MANAGE.or(Rights::READ))?,
            dynamic: grant(own.dynamic, Rights::MANAGE.or(Rights::READ))?,
            pool: grant(self.pool, Rights::MANAGE)?,
            ledger: grant(self.ledger_handle, Rights::READ.or(Rights::WRITE))?,
            module_bytes: 0,
            ..own
        };
        Ok(StartInfo {
            percpu: grant(self.endpoint.0, Rights::RECEIVE)?,
            handover,
            ..child::give_basics(server, Rights::WRITE)?
        })
    }

    /// Tells the server the windows that there are, by its handles. Those whose process ends meanwhile are left out.
    fn write_roster(&mut self, server: &Child) -> Result<(), Failure> {
        let mut words = [0; ledger::ROSTER_WORDS];
        let windows = roster::all().into_iter().flatten();
        let granted = windows.filter_map(|known| {
            let window = server.grant(known.window, Rights::ALL, 0).ok()?;
            Some(ledger::Window { window, ..known })
        });
        ledger::write_roster(&mut words, granted);
        let page = self.ledger.as_mut_slice();
        for (to, word) in page.chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        Ok(())
    }
}

/// A request of init's that changes something, with the next number.
pub fn numbered(request: &Request) -> Message {
    static LAST: AtomicU64 = AtomicU64::new(0);
    request.numbered(LAST.fetch_add(1, Ordering::Relaxed) + 1)
}

/// Lets the server end at a kernel call of its.
pub fn arm(calls: u64, moment: Moment) -> Result<(), Failure> {
    // Kept until it is armed: behind the lock the handle of a server that has ended is dropped.
    let server = PROCESS.lock();
    process::end_at(*server, calls, moment).map_err(Failure::doing("arm the server"))
}

/// Lets the server that comes next end at a kernel call of its.
pub fn arm_next(calls: u64, moment: Moment) {
    *NEXT_END.lock() = Some((calls, moment));
}

/// Frames that init's account and that of the pools have used, how many of init's have kernel objects, and the bytes of these.
pub fn frames() -> Result<[u64; 4], Failure> {
    let stats = |process| process::stats(process).map_err(Failure::doing("count frames"));
    let (own, pools) = (stats(process::own())?, stats(*POOL.lock())?);
    Ok([
        own.frames_used,
        pools.frames_used,
        own.heap_frames,
        own.heap_bytes,
    ])
}

/// Ends the server.
pub fn end() -> Result<(), Failure> {
    // As in `arm`.
    let server = PROCESS.lock();
    process::end(*server).map_err(Failure::doing("end the server"))
}
