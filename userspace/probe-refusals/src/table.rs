//! Every call with every wrong word, as the contract's table has them (`abi::syscall::Argument`): each is refused in the
//! way that stands there, and none changes what this program and a child of it hold.

use core::sync::atomic::Ordering;

use userlib::abi::message::gift;
use userlib::abi::syscall::{ANY_CPU, Argument, DEFAULT_PRIORITY, Kind, Placement};
use userlib::abi::{Call, Handle, Rights, Status, start};
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint};
use userlib::memory::{Mapping, Memory};
use userlib::notification::Notification;
use userlib::process::{self, Child, ProcessStats};
use userlib::thread::{self, Place};
use userlib::{Refusal, machine, println};

use crate::raw;

/// Nothing of anybody lies here.
const NOWHERE: u64 = 0x5000_0000_0000;
/// More than any table has slots.
const NO_SLOT: u64 = Handle::new(u16::MAX, 1).0;

/// Checks everything in this file.
pub fn check(checks: &mut Checks) {
    let tried = Things::make().and_then(|things| {
        let tried = Call::ALL
            .iter()
            .map(|call| things.try_call(checks, *call))
            .sum::<Result<u64, _>>();
        things.let_go()?;
        tried
    });
    if let Some(tried) = checks.success("table", tried) {
        println!(
            "probe-refusals: {tried} wrong words for {} calls",
            Call::ALL.len()
        );
        // A table that was emptied by mistake would pass.
        checks.that("table-is-full", tried > 500, format_args!("only {tried}"));
    }
}

/// One object of each kind, and what wrong handles are made of.
struct Things {
    child: Child,
    dead: Child,
    thread: Handle,
    endpoint: Handle,
    notification: Handle,
    /// Two pages, mapped here.
    plain: Memory,
    mapping: Mapping,
    /// Two pages for each CPU.
    per_cpu: Memory,
    /// The handle of a capability that was dropped.
    stale: Handle,
}

/// A wrong word, and how it is refused.
type Wrong = (u64, Status);

impl Things {
    fn make() -> Result<Things, Refusal> {
        let frames = 40 + machine::possible_cpus() as u64;
        let (child, dead) = (
            Child::create(frames, "table")?,
            Child::create(frames, "table-dead")?,
        );
        dead.end()?;
        let gate = Notification::create()?;
        let waiting = thread::spawn(Place::Anywhere, move || gate.wait().unwrap_or(0))?;
        let stale = Notification::create()?.0;
        ipc::drop_capability(stale)?;
        let plain = Memory::own(2)?;
        let copy = process::grant(process::own(), plain.handle(), Rights::ALL, 0)?;
        let mapping = Memory::received(copy)?.map(Mapping::new);
        let mapping = mapping.ok_or(Refusal::new(Status::WrongKind))??;
        let per_cpu = Memory::create(process::own(), 2, Placement::PerCpu)?;
        // A list for `WindowMapList`.
        let entry = [per_cpu.handle().0, 1, 0, 1];
        let words = mapping.words().iter().zip(entry);
        words.for_each(|(word, value)| word.store(value, Ordering::Relaxed));
        // It waits as long as this program lives.
        let thread = process::grant(process::own(), waiting.into_handle(), Rights::ALL, 0)?;
        Ok(Things {
            child,
            dead,
            thread,
            endpoint: Endpoint::create()?.0,
            notification: Notification::create()?.0,
            plain,
            mapping,
            per_cpu,
            stale,
        })
    }

    fn let_go(self) -> Result<(), Refusal> {
        for child in [&self.child, &self.dead] {
            child.let_go()?;
        }
        [self.endpoint, self.notification]
            .into_iter()
            .try_for_each(ipc::drop_capability)
    }

    /// None for what only drivers have.
    fn has(kind: Kind) -> bool {
        !matches!(kind, Kind::Interrupt | Kind::Ports)
    }

    fn handle(&self, kind: Kind) -> Handle {
        let info = userlib::start::info();
        match kind {
            Kind::Process => self.child.process(),
            Kind::Thread => self.thread,
            Kind::Endpoint => self.endpoint,
            Kind::Notification => self.notification,
            Kind::Memory => self.plain.handle(),
            Kind::Window => self.child.window(),
            Kind::Console => info.console,
            Kind::Machine => info.handover.machine,
            Kind::Interrupt | Kind::Ports => Handle::NONE,
        }
    }

    /// Words for a call of which none is wrong.
    fn right(&self, call: Call) -> [u64; 9] {
        let of = |kind| self.handle(kind).0;
        let (process, window, memory) = (of(Kind::Process), of(Kind::Window), of(Kind::Memory));
        let mapped = self.mapping.address() as u64;
        let words: &[u64] = match call {
            Call::Call | Call::Receive | Call::ReplyReceive => &[of(Kind::Endpoint)],
            Call::NotificationSignal | Call::NotificationWait | Call::NotificationCollect => {
                &[of(Kind::Notification), 1]
            }
            Call::CapabilityAccept => &[1],
            Call::ThreadFaults => &[of(Kind::Thread), of(Kind::Endpoint)],
            Call::ThreadPriority => &[of(Kind::Thread), DEFAULT_PRIORITY],
            Call::ProcessPriority => &[process, DEFAULT_PRIORITY, DEFAULT_PRIORITY],
            Call::MemoryClean => &[self.per_cpu.handle().0, 0, 1],
            Call::InterruptCreate | Call::PortsCreate | Call::CpuOffline | Call::CpuOnline => {
                &[of(Kind::Machine)]
            }
            Call::CpuNotice => &[of(Kind::Machine), of(Kind::Notification), 1, 1],
            Call::MessagePage => &[memory, 0],
            Call::NotificationBind => &[of(Kind::Notification), of(Kind::Endpoint)],
            Call::ProcessCreate => &[1, 0, 0],
            Call::ProcessStats | Call::ProcessEnd | Call::Wait => &[process],
            Call::DeathNotice => &[process, of(Kind::Notification), 1],
            Call::ThreadCreate => &[process, 0x40_0000, NOWHERE, 0, ANY_CPU],
            Call::ThreadAffinity => &[of(Kind::Thread), 1, 0, 0, 0],
            Call::MemoryCreate => &[process, 1, Placement::Anywhere.encode()],
            Call::MemoryMap => &[process, memory, NOWHERE, 0, 1, 0],
            Call::MemoryUnmap => &[process, NOWHERE, 1],
            Call::MemoryQuery => &[memory],
            Call::WindowMap => &[window, self.per_cpu.handle().0, 1, 0, 1, 0, 0],
            Call::WindowUnmap => &[window, 1, 1, 0],
            Call::WindowFill => &[window, 4096, mapped, 8],
            Call::WindowQuery | Call::WindowMemory | Call::WindowPopulated => &[window, 1],
            Call::WindowMapList => &[window, mapped, 1, 0, 0],
            Call::WindowNote => &[window, 0],
            Call::CapabilityGrant => &[process, of(Kind::Endpoint), 0, 0],
            Call::CapabilityDrop | Call::CapabilityRevoke => &[of(Kind::Endpoint)],
            Call::MachineStats | Call::MachineExit => &[of(Kind::Machine)],
            Call::ConsoleWrite => &[of(Kind::Console), start::START_INFO_ADDRESS, 1],
            Call::DebugEndAt => &[process, 0, 0],
            // They take nothing that could be wrong.
            _ => &[],
        };
        let mut all = [0; 9];
        all[..words.len()].copy_from_slice(words);
        all
    }

    /// Tries all wrong words of a call. How many there were.
    fn try_call(&self, checks: &mut Checks, call: Call) -> Result<u64, Refusal> {
        let (mut tried, mut odd) = (0, None);
        let first = call.arguments().first();
        let is_driver = matches!(first, Some(Argument::Object(kinds, ..)) if !Things::has(kinds[0]));
        for (at, argument) in call.arguments().iter().enumerate() {
            if is_driver && at > 0 {
                break;
            }
            let mut judge = |(word, status): Wrong| {
                let mut words = self.right(call);
                words[at] = word;
                let before = self.holdings()?;
                let got = raw::status(call as u64, &words);
                let is_it = got == Some(status) && self.holdings()? == before.next();
                tried += 1;
                if !is_it && odd.is_none() {
                    odd = Some((at, word, got, status));
                }
                Ok(())
            };
            self.wrong_words(*argument, &mut judge)?;
        }
        checks.that("table-call", odd.is_none(), format_args!("{call:?}: {odd:?}"));
        Ok(tried)
    }

    /// Lets each wrong word for an argument be judged.
    fn wrong_words(
        &self,
        argument: Argument,
        judge: &mut impl FnMut(Wrong) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let bad = self.bad_handles().into_iter();
        match argument {
            Argument::Word => Ok(()),
            Argument::Number(wrong) => wrong.iter().copied().try_for_each(judge),
            Argument::Object(kinds, rights, dead) => {
                bad.chain(self.wrong_kinds(kinds)).try_for_each(&mut *judge)?;
                if Things::has(kinds[0]) {
                    self.weak(kinds[0], rights, judge)?;
                }
                let gone = match kinds[0] {
                    Kind::Window => self.dead.window(),
                    _ => self.dead.process(),
                };
                dead.map_or(Ok(()), |status| judge((gone.0, status)))
            }
            Argument::Optional(kinds, rights) => {
                let mut bad = bad.skip(1).chain(self.wrong_kinds(kinds));
                bad.try_for_each(&mut *judge)?;
                self.weak(kinds[0], rights, judge)
            }
            Argument::Any(rights) => {
                { bad }.try_for_each(&mut *judge)?;
                self.weak(Kind::Endpoint, rights, judge)
            }
            Argument::Carried => {
                // The highest bit makes it a list.
                let bad = bad.skip(1).filter(|(word, _)| *word >> 63 == 0);
                bad.chain(bad_lists()).try_for_each(&mut *judge)?;
                self.weak(Kind::Endpoint, Rights::GRANT, judge)
            }
        }
    }

    /// Words that are no handle, and handles of what is no more; none first.
    fn bad_handles(&self) -> [Wrong; 8] {
        let of = |handle| (handle, Status::NoSuchHandle);
        [
            of(0),
            of(NO_SLOT),
            of(Handle::new(0, 1).0),
            of(u64::MAX),
            of(self.endpoint.0 | 1 << 62),
            of(self.endpoint.0 + (1 << 16)),
            of(self.endpoint.0 & 0xffff),
            (self.stale.0, Status::StaleHandle),
        ]
    }

    fn wrong_kinds(&self, right: &'static [Kind]) -> impl Iterator<Item = Wrong> {
        let wrong = Kind::ALL
            .into_iter()
            .filter(|kind| !right.contains(kind) && Things::has(*kind));
        wrong.map(|kind| (self.handle(kind).0, Status::WrongKind))
    }

    /// Lends a capability with all rights but one, for each that is needed.
    fn weak(
        &self,
        kind: Kind,
        needed: Rights,
        judge: &mut impl FnMut(Wrong) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        for right in (0..32)
            .map(|bit| Rights(1 << bit))
            .filter(|right| needed.contains(*right))
        {
            let others = Rights(Rights::ALL.0 & !right.0);
            let weak = process::grant(process::own(), self.handle(kind), others, 0)?;
            judge((weak.0, Status::MissingRight))?;
            ipc::drop_capability(weak)?;
        }
        Ok(())
    }

    fn holdings(&self) -> Result<Holdings, Refusal> {
        let slot = Notification::create()?.0;
        ipc::drop_capability(slot)?;
        let counted = |process| {
            process::stats(process).map(|stats| ProcessStats {
                preemptions: 0,
                migrations: 0,
                ..stats
            })
        };
        Ok(Holdings {
            own: counted(process::own())?,
            child: counted(self.child.process())?,
            slot,
        })
    }
}

/// Lists of capabilities that are nowhere, or too long, or none.
fn bad_lists() -> [Wrong; 7] {
    let list = |address, count| gift::LIST | address | count;
    [
        (list(NOWHERE, 1), Status::BadAddress),
        (list(0x7fff_ffff_f000, 1), Status::BadAddress),
        (list(start::START_INFO_ADDRESS + 0xff0, 1), Status::BadAddress),
        (list(start::START_INFO_ADDRESS, 0), Status::BadArgument),
        (list(start::START_INFO_ADDRESS, 5), Status::BadArgument),
        // Not a list: more words in a page that this thread has not named.
        (u64::MAX, Status::NoMessagePage),
        (u64::MAX - 1, Status::BadArgument),
    ]
}

/// What can be seen of a program's state: frames, heap, threads, and which slot of the table is the next.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Holdings {
    own: ProcessStats,
    child: ProcessStats,
    slot: Handle,
}

impl Holdings {
    /// The same, with the next generation of the slot that was looked at.
    fn next(self) -> Holdings {
        Holdings {
            slot: Handle(self.slot.0 + (1 << 16)),
            ..self
        }
    }
}
