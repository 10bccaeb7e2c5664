//! Objects without end: each kind by a process of this program, which meets its own limit, while the others go on making
//! what they need.

use core::arch::asm;

use userlib::abi::syscall::{ANY_CPU, End, Placement};
use userlib::abi::{Call, Handle, Registers, Rights, Status};
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint};
use userlib::memory::Memory;
use userlib::notification::Notification;
use userlib::process::{self, Child};
use userlib::syscall::command;
use userlib::thread::{self, Place};
use userlib::{Refusal, machine, println, supervisor};

use crate::{child, machine_code};

/// What a process is flooded with, and why it has to be refused.
const FLOODS: [(&str, Status); 6] = [
    ("flood-of-threads", Status::AccountExhausted),
    ("flood-of-processes", Status::AccountExhausted),
    ("flood-of-notifications", Status::AccountExhausted),
    ("flood-of-memory-objects", Status::AccountExhausted),
    ("flood-of-endpoints", Status::EndpointsExhausted),
    ("flood-of-fpu-states", Status::Ok),
];
/// The last one of them: whoever cannot pay for a state ends by the exception that asked for it.
const FPU: usize = 5;
/// Device not available.
const FPU_VECTOR: u64 = 7;
/// How often a flood goes on when it has been refused: always with the same refusal.
const AGAIN: u64 = 100;
/// Above the number of objects, in an exit code: the status.
const STATUS_SHIFT: u32 = 32;
/// The exit code of a flood whose numbers make no sense.
const ODD: u64 = u64::MAX;

/// Floods one after the other, and makes things meanwhile.
pub fn try_all(checks: &mut Checks) -> Result<(), Refusal> {
    for (kind, (name, status)) in FLOODS.into_iter().enumerate() {
        let ended = Notification::create()?;
        let flood = supervisor::launch([kind as u64, 0, 0])?;
        ended.on_death(flood, 1)?;
        let mut made = 0_u64;
        while ended.collect()? == 0 {
            make_one_of_each()?;
            made += 1;
            thread::yield_now();
        }
        let end = process::wait(flood)?;
        ipc::drop_capability(flood)?;
        ipc::drop_capability(ended.0)?;
        println!("hostile: {name}: {end:?}; beside it {made} of each kind were made");
        let holds = match end {
            End::Exited(ODD) => false,
            End::Exited(code) => code >> STATUS_SHIFT == status as u64 && code as u32 > 8,
            End::Faulted { vector, .. } => kind == FPU && vector == FPU_VECTOR,
            End::Killed => false,
        };
        checks.that(name, holds, format_args!("{end:?}"));
    }
    Ok(())
}

fn make_one_of_each() -> Result<(), Refusal> {
    let endpoint = Endpoint::create()?;
    let notification = Notification::create()?;
    let memory = Memory::own(1)?;
    let child = child::make()?;
    child.let_go()?;
    let joined = thread::spawn(Place::Anywhere, || 0)?.join()?;
    assert!(joined == 0, "a thread that was made runs");
    drop(memory);
    ipc::drop_capability(notification.0)?;
    ipc::drop_capability(endpoint.0)
}

/// A flood of this kind, to its end: how many objects there were, and the refusal.
pub fn flood(kind: &str) -> u64 {
    let kind = kind.split(' ').next().and_then(|kind| kind.parse().ok());
    // Whatever is refused before it begins makes no sense.
    kind.map_or(ODD, |kind| {
        Flood::begin().and_then(|flood| flood.run(kind)).unwrap_or(ODD)
    })
}

/// What a flood needs to be kept by.
struct Flood {
    /// At which threads wait.
    gate: Notification,
    /// Whose table keeps what this one's has no room for.
    keeper: Child,
}

impl Flood {
    fn begin() -> Result<Flood, Refusal> {
        Ok(Flood {
            gate: Notification::create()?,
            keeper: child::make()?,
        })
    }

    fn run(mut self, kind: usize) -> Result<u64, Refusal> {
        let mut made = 0_u64;
        let refusal = loop {
            match self.make(kind) {
                Ok(()) => made += 1,
                Err(refusal) => break refusal,
            }
        };
        let full = process::stats(process::own())?;
        let is_sound = match refusal.status {
            Status::AccountExhausted => {
                refusal.words[0] == full.frame_limit && refusal.words[1] <= full.frame_limit
            }
            _ => true,
        };
        if kind == FPU {
            // SAFETY: uses a register of the FPU, which compiled code does not.
            unsafe { asm!("fldz", "fstp st(0)") };
        }
        for _ in 0..AGAIN {
            let again = self.make(kind).err().map(|refusal| refusal.status);
            let now = process::stats(process::own())?;
            if again != Some(refusal.status) || now.frames_used != full.frames_used || !is_sound {
                return Ok(ODD);
            }
        }
        Ok((refusal.status as u64) << STATUS_SHIFT | made)
    }

    fn make(&mut self, kind: usize) -> Result<(), Refusal> {
        match kind {
            0 | FPU => self.thread(),
            1 => {
                let child = Child::create(12 + machine::possible_cpus() as u64, "flood")?;
                ipc::drop_capability(child.window())
            }
            2 => self.keep(|| Notification::create().map(|made| made.0)),
            3 => {
                let own = process::own();
                self.keep(|| Memory::create(own, 1, Placement::Anywhere).map(Memory::into_handle))
            }
            _ => self.keep(|| Endpoint::create().map(|made| made.0)),
        }
    }

    fn thread(&self) -> Result<(), Refusal> {
        let wait = machine_code::waiter();
        let words = Registers::of(&[process::own().0, wait, 0, self.gate.0.0, ANY_CPU]);
        // SAFETY: 1. changes no mapping. 2. what starts there needs no stack.
        let made = unsafe { command(Call::ThreadCreate, &words) }?;
        ipc::drop_capability(Handle(made.0[0]))
    }

    /// Makes something that lives on in the table of a keeper, the next one when that is full.
    fn keep(&mut self, make: impl Fn() -> Result<Handle, Refusal>) -> Result<(), Refusal> {
        let made = make()?;
        let mut kept = self.keeper.grant(made, Rights::ALL, 0);
        if kept.is_err_and(|refusal| refusal.status == Status::TableFull) {
            kept = child::make().and_then(|next| {
                self.keeper = next;
                self.keeper.grant(made, Rights::ALL, 0)
            });
        }
        ipc::drop_capability(made)?;
        kept.map(drop)
    }
}
